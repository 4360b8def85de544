import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** OpenSearchNode's counterpart for Elasticsearch 8, whose modules lie in a directory. */
public class Elasticsearch8Node {
    /** A real node ends on an error that is no exception; this one must not be kinder. */
    private static void endOnError(Thread thread, Throwable trouble) {
        System.err.println("fatal error in thread " + thread.getName() + ": " + trouble);
        if (trouble instanceof Error)
            Runtime.getRuntime().halt(trouble instanceof StackOverflowError ? 126 : 1);
    }

    public static void main(String[] words) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler(Elasticsearch8Node::endOnError);
        LogConfigurator.registerErrorListener();
        LogConfigurator.configureESLogging();
        var home = Settings.builder().put("path.home", words[0]).build();
        var environment = InternalSettingsPreparer.prepareEnvironment(
            home, Map.of(), Path.of(words[0], "config"), () -> "n1");
        LogConfigurator.configure(environment, true);
        var modules = PluginsLoader.loadModulesBundles(environment.modulesDir());
        var plugins = PluginsLoader.loadPluginsBundles(environment.pluginsDir());
        var loader = PluginsLoader.createPluginsLoader(modules, plugins, Map.of(), false);
        var node = new Node(environment, loader);
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception trouble) {
                trouble.printStackTrace();
            }
            ended.countDown();
        }));
        node.start();
        ended.await();
    }
}
