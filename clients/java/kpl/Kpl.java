import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;

/** Puts records by the Kinesis Producer Library, aggregated. Its native half speaks TLS only, and checks the certificate. */
final class Kpl {
    public static void main(String[] args) throws Exception {
        int records = Integer.parseInt(args[0]);
        URI endpoint = URI.create(System.getenv("MILLRACE_ENDPOINT"));
        String host = endpoint.getHost();
        int port = endpoint.getPort();
        KinesisProducerConfiguration c = new KinesisProducerConfiguration()
                .setRegion(System.getenv("AWS_REGION"))
                .setKinesisEndpoint(host).setKinesisPort(port)
                .setStsEndpoint(host).setStsPort(port)
                .setCloudwatchEndpoint(host).setCloudwatchPort(port)
                .setCaCertFile(System.getenv("MILLRACE_CERTIFICATE"))
                .setTempDirectory(System.getProperty("java.io.tmpdir"))
                .setMetricsUploadDelay(1000)
                .setAggregationEnabled(true).setRecordMaxBufferedTime(200).setRecordTtl(60_000);
        KinesisProducer producer = new KinesisProducer(c);
        Report.begin("Kinesis Producer Library", KinesisProducer.class.getProtectionDomain().getCodeSource().getLocation().getPath()
                .replaceAll(".*-(\\d[.\\d]*)\\.jar", "$1"));
        List<Future<UserRecordResult>> results = new ArrayList<>();
        for (int i = 0; i < records; i++) {
            results.add(producer.addUserRecord("kpl", "key " + i % 100, ByteBuffer.wrap(("record " + i).getBytes(StandardCharsets.UTF_8))));
        }
        producer.flush();
        Set<String> shards = new HashSet<>();
        Set<String> stored = new HashSet<>();
        for (Future<UserRecordResult> each : results) {
            UserRecordResult r = each.get(60, TimeUnit.SECONDS);
            Report.check(r.isSuccessful(), r.getAttempts());
            shards.add(r.getShardId());
            stored.add(r.getSequenceNumber());
        }
        Report.check(shards.size() == 3, "shards", shards);
        Report.check(stored.size() < records / 10, "records were not aggregated:", stored.size());
        producer.flushSync();
        producer.destroy();
        Report.end("HTTP/1.1, TLS, JSON");
    }
}
