import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.plugins.Plugin;

/** A node with chosen modules; the jars hold no program that starts one. */
public class OpenSearchNode {
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
        var node = new OpenSearchRunnerNode(environment, modules);
        NodeProcess.run(node, node::start);
    }
}
