import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Writes lines with a logging library, configured by a file as its users do it.
 *
 *   java Rotators log4j1|log4j2|logback CONFIGURATION
 *   java -Xlog:gc*:file=... Rotators gc -
 *
 * On stdin: a count, and that many lines; each such block is answered with "ok". `gc` collects
 * garbage instead: the JVM writes its own log.
 */
public final class Rotators {
  public static void main(String[] arguments) throws Exception {
    final Consumer<String> sink = sink(arguments[0], arguments[1]);
    final BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    System.out.println("ok");
    for (String count = in.readLine(); count != null; count = in.readLine()) {
      for (int left = Integer.parseInt(count); left > 0; --left) sink.accept(in.readLine());
      System.out.println("ok");
    }
    System.exit(0);
  }

  private static Consumer<String> sink(String library, String configuration) throws Exception {
    switch (library) {
      case "log4j1":
        org.apache.log4j.PropertyConfigurator.configure(configuration);
        return org.apache.log4j.Logger.getRootLogger()::info;
      case "log4j2":
        final org.apache.logging.log4j.core.LoggerContext log4j2 =
            org.apache.logging.log4j.core.config.Configurator.initialize(
                "zoo", null, new File(configuration).toURI());
        return log4j2.getRootLogger()::info;
      case "logback":
        final var logback = new ch.qos.logback.classic.LoggerContext();
        logback.setMDCAdapter(new ch.qos.logback.classic.util.LogbackMDCAdapter());
        final var configurator = new ch.qos.logback.classic.joran.JoranConfigurator();
        configurator.setContext(logback);
        configurator.doConfigure(configuration);
        return logback.getLogger("ROOT")::info;
      case "gc":
        // Some fifteen lines each.
        return line -> {
          if (line.hashCode() % 8 == 0) System.gc();
        };
      default:
        throw new IOException("no library " + library);
    }
  }

  private Rotators() {}
}
