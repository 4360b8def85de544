import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** OpenSearchNode's counterpart for Elasticsearch 8, whose modules lie in a directory. */
public class Elasticsearch8Node {
    public static void main(String[] words) throws Exception {
        NodeProcess.endOnErrors();
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
        NodeProcess.run(node, node::start);
    }
}
