import java.io.Reader;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.FlattenGraphFilter;
import org.apache.lucene.analysis.miscellaneous.WordDelimiterGraphFilter;
import org.apache.lucene.analysis.miscellaneous.WordDelimiterIterator;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.apache.lucene.analysis.pattern.PatternReplaceCharFilter;
import org.apache.lucene.analysis.pattern.SimplePatternTokenizer;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.CharFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/**
 * What longshore needs of the modules analysis-common and rest-root, which are not published: the
 * same parts of Lucene under the same names, with the settings that longshore's template has; and
 * the answer to GET /.
 */
public class ElasticsearchStandIns extends Plugin implements AnalysisPlugin, ActionPlugin {
    private static AnalysisProvider<TokenFilterFactory> filter(
            Function<Settings, UnaryOperator<TokenStream>> make) {
        return (index, environment, name, settings) -> {
            var one = make.apply(settings);
            return new AbstractTokenFilterFactory(name, settings) {
                @Override public TokenStream create(TokenStream stream) {
                    return one.apply(stream);
                }
            };
        };
    }

    private static UnaryOperator<TokenStream> wordDelimiter(Settings settings) {
        int parts = WordDelimiterGraphFilter.GENERATE_WORD_PARTS
            | WordDelimiterGraphFilter.GENERATE_NUMBER_PARTS;
        boolean whole = settings.getAsBoolean("preserve_original", false);
        int flags = whole ? parts | WordDelimiterGraphFilter.PRESERVE_ORIGINAL : parts;
        return stream -> new WordDelimiterGraphFilter(
            stream, true, WordDelimiterIterator.DEFAULT_WORD_DELIM_TABLE, flags, null);
    }

    @Override public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of(
            "flatten_graph", filter(settings -> FlattenGraphFilter::new),
            "word_delimiter_graph", filter(ElasticsearchStandIns::wordDelimiter),
            "pattern_capture", filter(settings -> {
                var patterns = settings.getAsList("patterns").stream().map(Pattern::compile)
                    .toArray(Pattern[]::new);
                return stream -> new PatternCaptureGroupTokenFilter(stream, true, patterns);
            }));
    }

    @Override public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("simple_pattern", (index, environment, name, settings) ->
            TokenizerFactory.newFactory(
                name, () -> new SimplePatternTokenizer(settings.get("pattern", ""))));
    }

    @Override public Map<String, AnalysisProvider<CharFilterFactory>> getCharFilters() {
        return Map.of("pattern_replace", (index, environment, name, settings) -> {
            var pattern = Pattern.compile(settings.get("pattern", ""));
            var replacement = settings.get("replacement", "");
            return new CharFilterFactory() {
                @Override public String name() {
                    return name;
                }

                @Override public Reader create(Reader reader) {
                    return new PatternReplaceCharFilter(pattern, replacement, reader);
                }
            };
        });
    }

    @Override public Collection<RestHandler> getRestHandlers(
            Settings settings, NamedWriteableRegistry registry, RestController controller,
            ClusterSettings clusterSettings, IndexScopedSettings indexSettings,
            SettingsFilter settingsFilter, IndexNameExpressionResolver resolver,
            Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new BaseRestHandler() {
            @Override public String getName() {
                return "root";
            }

            @Override public List<Route> routes() {
                return List.of(new Route(RestRequest.Method.GET, "/"));
            }

            @Override protected RestChannelConsumer prepareRequest(
                    RestRequest request, NodeClient client) {
                var text = "{\"version\":{\"number\":\"" + Build.current().version() + "\"}}";
                return channel -> channel.sendResponse(
                    new RestResponse(RestStatus.OK, "application/json", text));
            }
        });
    }
}
