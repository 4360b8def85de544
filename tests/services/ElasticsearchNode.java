import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;

/** OpenSearchNode's counterpart for Elasticsearch 7. */
public class ElasticsearchNode {
    public static void main(String[] words) throws Exception {
        NodeProcess.endOnErrors();
        var home = Settings.builder().put("path.home", words[0]).build();
        var environment = InternalSettingsPreparer.prepareEnvironment(
            home, Map.of(), Path.of(words[0], "config"), () -> "n1");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(environment);
        List<Class<? extends Plugin>> modules = new ArrayList<>();
        for (int i = 1; i < words.length; i++)
            modules.add(Class.forName(words[i]).asSubclass(Plugin.class));
        var node = new Node(environment, modules, true) {};
        NodeProcess.run(node, node::start);
    }
}
