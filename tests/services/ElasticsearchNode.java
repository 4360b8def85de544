import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;

/** OpenSearchNode's counterpart for Elasticsearch 7. */
public class ElasticsearchNode {
    /** A real node ends on an error that is no exception; this one must not be kinder. */
    private static void endOnError(Thread thread, Throwable trouble) {
        System.err.println("fatal error in thread " + thread.getName() + ": " + trouble);
        if (trouble instanceof Error)
            Runtime.getRuntime().halt(trouble instanceof StackOverflowError ? 126 : 1);
    }

    public static void main(String[] words) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler(ElasticsearchNode::endOnError);
        var home = Settings.builder().put("path.home", words[0]).build();
        var environment = InternalSettingsPreparer.prepareEnvironment(
            home, Map.of(), Path.of(words[0], "config"), () -> "n1");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(environment);
        List<Class<? extends Plugin>> modules = new ArrayList<>();
        for (int i = 1; i < words.length; i++)
            modules.add(Class.forName(words[i]).asSubclass(Plugin.class));
        var node = new Node(environment, modules, true) {};
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
