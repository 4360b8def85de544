// Runs the real pm2-logrotate on one log, with the parts of pm2 that it asks replaced: the list of
// applications, the settings of a module, and the clock, which is a line on stdin. Each rotation is
// answered with "ok" when it is complete.
//   NODE_PATH=.../node_modules node pm2_logrotate.js FILE COMPRESS
'use strict';
const Module = require('module');
const readline = require('readline');

const [file, compress] = process.argv.slice(2);
let rotate = null;
const quiet = {metric: () => ({set() {}})};
const played = {
  pm2: {
    connect: ready => ready(),
    list: answer => answer(null, [{name: 'app', pm2_env: {pm_out_log_path: file, axm_options: {}}}])
  },
  pmx: {
    initModule: () => ({max_size: '10M', retain: '50', compress, workerInterval: '3600'}),
    probe: () => quiet, action() {}, notify: error => console.error(error)
  },
  'node-schedule': {scheduleJob: (_, job) => { rotate = job; }}
};
const load = Module._load;
Module._load = (name, ...rest) => played[name] || load(name, ...rest);

const print = console.log;
console.log = text => { if (/has been created/.test(text)) print('ok'); };
require('pm2-logrotate');
print('ok');
readline.createInterface({input: process.stdin})
    .on('line', () => rotate()).on('close', () => process.exit(0));
