"""log4j, logback, and the JVM's own log of garbage collections (from Maven Central)."""

import functools
import threading

import harness
from rotation_zoo.rotator import AskedRotator

HERE = harness.ROOT / "tests" / "e2e" / "rotation_zoo"
SMALL = ("-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx48m")


compiling = threading.Lock()


def class_path(base):
    """The jars, and Rotators.java compiled into `base`."""
    with compiling:
        return compiled(base)


@functools.cache
def compiled(base):
    jars = harness.run(HERE / "fetch.sh", "java", timeout=600).stdout.strip()
    harness.run("javac", "-cp", f"{jars}/*", "-d", base / "classes", HERE / "Rotators.java")
    return f"{base / 'classes'}:{jars}/*"


class Java(AskedRotator):
    library = ""
    configuration = ""

    def command(self):
        conf = self.folder.parent / f"{self.name}.conf"
        conf.write_text(self.configuration.format(folder=self.folder))
        return ["java", *SMALL, "-cp", class_path(self.folder.parent), "Rotators", self.library,
                conf]


class Log4j1(Java):
    """app.log.1 is the newest."""
    name = "log4j1-RollingFileAppender"
    library = "log4j1"
    configuration = """
log4j.rootLogger=INFO, file
log4j.appender.file=org.apache.log4j.RollingFileAppender
log4j.appender.file.File={folder}/app.log
log4j.appender.file.MaxFileSize=3000
log4j.appender.file.MaxBackupIndex=50
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%m%n
"""


class Log4j2(Java):
    library = "log4j2"
    where = 'fileName="{folder}/app.log" filePattern="{folder}/app.log.%i"'
    strategy = ""

    @property
    def configuration(self):
        return f"""<Configuration status="error" shutdownHook="disable"><Appenders>
  <RollingFile name="file" {self.where}>
    <PatternLayout pattern="%m%n"/><SizeBasedTriggeringPolicy size="3000 B"/>{self.strategy}
  </RollingFile></Appenders>
  <Loggers><Root level="info"><AppenderRef ref="file"/></Root></Loggers></Configuration>"""


class Log4j2Default(Log4j2):
    """Rising numbers: app.log.1 is the oldest of seven."""
    name = "log4j2-default"


class Log4j2FixedWindow(Log4j2):
    """app.log.1 is the newest."""
    name = "log4j2-fileIndex-min"
    strategy = '<DefaultRolloverStrategy fileIndex="min" max="50"/>'


class Log4j2DirectWrite(Log4j2):
    """Every file has its last name from the beginning."""
    name = "log4j2-DirectWrite"
    current = None
    glob = "app-*.log"
    where = 'filePattern="{folder}/app-%i.log"'
    strategy = '<DirectWriteRolloverStrategy maxFiles="50"/>'


class Log4j2DatedGz(Log4j2):
    """Compressed as soon as it is rotated."""
    name = "log4j2-dated-gz"
    glob = "app*"
    where = ('fileName="{folder}/app.log" '
             'filePattern="{folder}/app-%d{{yyyy-MM-dd}}-%i.log.gz"')
    strategy = '<DefaultRolloverStrategy max="50"/>'


class Logback(Java):
    library = "logback"
    policies = ""

    @property
    def configuration(self):
        return f"""<configuration>
<appender name="file" class="ch.qos.logback.core.rolling.RollingFileAppender">
  {self.policies}<encoder><pattern>%m%n</pattern></encoder>
</appender>
<root level="info"><appender-ref ref="file"/></root></configuration>"""


class LogbackSizeAndTime(Logback):
    """Rising numbers within a day."""
    name = "logback-SizeAndTimeBased"
    glob = "app*.log"
    policies = """<file>{folder}/app.log</file>
  <rollingPolicy class="ch.qos.logback.core.rolling.TimeBasedRollingPolicy">
    <fileNamePattern>{folder}/app.%d{{yyyy-MM-dd}}.%i.log</fileNamePattern>
    <timeBasedFileNamingAndTriggeringPolicy
        class="ch.qos.logback.core.rolling.SizeAndTimeBasedFileNamingAndTriggeringPolicy">
      <maxFileSize>3000</maxFileSize><checkIncrement>1 milliseconds</checkIncrement>
    </timeBasedFileNamingAndTriggeringPolicy>
  </rollingPolicy>"""


class LogbackWithoutFile(Logback):
    """Without <file> the newest has its last name from the beginning."""
    name = "logback-SizeAndTimeBased-direct"
    current = None
    glob = "app.*.log"
    policies = LogbackSizeAndTime.policies.replace("<file>{folder}/app.log</file>", "")


class LogbackFixedWindow(Logback):
    """app.1.log is the newest."""
    name = "logback-FixedWindow"
    glob = "app*.log"
    policies = """<file>{folder}/app.log</file>
  <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
    <fileNamePattern>{folder}/app.%i.log</fileNamePattern>
    <minIndex>1</minIndex><maxIndex>20</maxIndex>
  </rollingPolicy>
  <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
    <maxFileSize>3000</maxFileSize><checkIncrement>1 milliseconds</checkIncrement>
  </triggeringPolicy>"""


class GcLog(AskedRotator):
    """Rising numbers: gc.log.0 is the oldest. Its lines are the JVM's own."""
    name = "jvm-gc-log"
    current = "gc.log"
    glob = "gc.log*"

    def command(self):
        log = f"-Xlog:gc*:file={self.folder}/gc.log:uptimenanos,tags:filecount=50,filesize=4K"
        return ["java", *SMALL, log, "-cp", class_path(self.folder.parent), "Rotators", "gc", "-"]

    def written(self):
        rotated = sorted(self.folder.glob("gc.log.*"), key=lambda path: int(path.suffix[1:]))
        files = [*rotated, self.folder / "gc.log"]
        return [line for path in files for line in path.read_text().splitlines()]


ALL = (Log4j1, Log4j2Default, Log4j2FixedWindow, Log4j2DirectWrite, Log4j2DatedGz,
       LogbackSizeAndTime, LogbackWithoutFile, LogbackFixedWindow, GcLog)
