// Writes lines with winston.   node winston.js rising|tailable|daily FOLDER
// On stdin: a count, and that many lines; each such block is answered with "ok".
'use strict';
const readline = require('readline');
const winston = require('winston');

const [kind, dirname] = process.argv.slice(2);
function transport() {
  if (kind === 'daily') {
    const Daily = require('winston-daily-rotate-file');
    return new Daily({
      dirname, filename: 'app-%DATE%.log', datePattern: 'YYYY-MM-DD', maxSize: 3000,
      auditFile: `${dirname}/.audit.json`, createSymlink: true, symlinkName: 'current.log'
    });
  }
  return new winston.transports.File({
    dirname, filename: 'app.log', maxsize: 3000, maxFiles: 50, tailable: kind === 'tailable'
  });
}

const logger = winston.createLogger({
  format: winston.format.printf(({message}) => message), transports: [transport()]
});
let left = 0;
console.log('ok');
readline.createInterface({input: process.stdin}).on('line', line => {
  if (left === 0) {
    left = Number(line);
    return;
  }
  logger.info(line);
  if (--left === 0) console.log('ok');
}).on('close', () => process.exit(0));
