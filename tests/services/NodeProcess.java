import java.io.Closeable;
import java.util.concurrent.CountDownLatch;

/** What the programs that start a node of a search service have in common. */
final class NodeProcess {
    interface Starter {
        void start() throws Exception;
    }

    /** A real node ends on an error that is no exception; this one must not be kinder. */
    static void endOnErrors() {
        Thread.setDefaultUncaughtExceptionHandler((thread, trouble) -> {
            System.err.println("fatal error in thread " + thread.getName() + ": " + trouble);
            if (trouble instanceof Error)
                Runtime.getRuntime().halt(trouble instanceof StackOverflowError ? 126 : 1);
        });
    }

    /** Returns when the process was told to end, and the node is closed. */
    static void run(Closeable node, Starter starter) throws Exception {
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception trouble) {
                trouble.printStackTrace();
            }
            ended.countDown();
        }));
        starter.start();
        ended.await();
    }
}
