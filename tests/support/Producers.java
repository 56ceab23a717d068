import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

/** Writes events as Java's producers do: java Producers.java connect|avro BOOTSTRAP TOPIC COUNT [REGISTRY]. */
public class Producers {
    public static void main(String[] arguments) throws Exception {
        String kind = arguments[0], topic = arguments[2];
        int count = Integer.parseInt(arguments[3]);
        Properties options = new Properties();
        options.put("bootstrap.servers", arguments[1]);
        options.put("linger.ms", "20");
        try (KafkaProducer<String, byte[]> producer =
                new KafkaProducer<>(options, new StringSerializer(), new ByteArraySerializer())) {
            Writer writer = kind.equals("connect") ? connect() : avro(arguments[4]);
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, "u" + number % 50, writer.write(topic, number)));
            }
        }
    }

    interface Writer {
        byte[] write(String topic, int number);
    }

    private static Writer connect() {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "true"), false);
        org.apache.kafka.connect.data.Schema properties =
                SchemaBuilder.struct().field("n", org.apache.kafka.connect.data.Schema.INT64_SCHEMA).build();
        org.apache.kafka.connect.data.Schema schema = SchemaBuilder.struct()
                .field("type", org.apache.kafka.connect.data.Schema.STRING_SCHEMA)
                .field("event", org.apache.kafka.connect.data.Schema.STRING_SCHEMA)
                .field("messageId", org.apache.kafka.connect.data.Schema.STRING_SCHEMA)
                .field("userId", org.apache.kafka.connect.data.Schema.STRING_SCHEMA)
                .field("properties", properties)
                .build();
        return (topic, number) -> converter.fromConnectData(topic, schema, new Struct(schema)
                .put("type", "track")
                .put("event", "Order")
                .put("messageId", "m-" + number)
                .put("userId", "u" + number % 50)
                .put("properties", new Struct(properties).put("n", (long) number)));
    }

    private static Writer avro(String registry) {
        Schema schema = new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"Event\",\"namespace\":\"shop\","
                + "\"fields\":[{\"name\":\"type\",\"type\":\"string\"},{\"name\":\"event\",\"type\":\"string\"},"
                + "{\"name\":\"messageId\",\"type\":\"string\"},{\"name\":\"userId\",\"type\":\"string\"},"
                + "{\"name\":\"properties\",\"type\":{\"type\":\"record\",\"name\":\"Properties\","
                + "\"fields\":[{\"name\":\"n\",\"type\":\"long\"}]}}]}");
        Map<String, Object> options = new HashMap<>();
        options.put("apicurio.registry.url", registry);
        options.put("apicurio.registry.auto-register", true);
        options.put("apicurio.registry.id-handler", "io.apicurio.registry.serde.Legacy4ByteIdHandler");
        options.put("apicurio.registry.use-id", "contentId");
        options.put("apicurio.registry.headers.enabled", false);
        Serializer<GenericData.Record> serializer = new AvroKafkaSerializer<>();
        serializer.configure(options, false);
        return (topic, number) -> {
            GenericData.Record properties = new GenericData.Record(schema.getField("properties").schema());
            properties.put("n", (long) number);
            GenericData.Record event = new GenericData.Record(schema);
            event.put("type", "track");
            event.put("event", "Order");
            event.put("messageId", "m-" + number);
            event.put("userId", "u" + number % 50);
            event.put("properties", properties);
            return serializer.serialize(topic, event);
        };
    }
}
