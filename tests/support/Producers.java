import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
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

/** Writes events as Java's producers do: java Producers.java connect|avro|json|protobuf BOOTSTRAP TOPIC COUNT [REGISTRY]. */
public class Producers {
    public static void main(String[] arguments) throws Exception {
        String kind = arguments[0], topic = arguments[2];
        int count = Integer.parseInt(arguments[3]);
        Properties options = new Properties();
        options.put("bootstrap.servers", arguments[1]);
        options.put("linger.ms", "20");
        try (KafkaProducer<String, byte[]> producer =
                new KafkaProducer<>(options, new StringSerializer(), new ByteArraySerializer())) {
            Writer writer = switch (kind) {
                case "connect" -> connect();
                case "avro" -> avro(arguments[4]);
                case "json" -> json(arguments[4]);
                case "protobuf" -> protobuf(arguments[4]);
                default -> throw new IllegalArgumentException(kind);
            };
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
        Serializer<GenericData.Record> serializer = configured(new AvroKafkaSerializer<>(), registry);
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

    /** The schema is JsonSchema.json, beside this file. */
    private static Writer json(String registry) {
        ObjectMapper mapper = new ObjectMapper();
        Serializer<JsonNode> serializer = configured(new JsonSchemaKafkaSerializer<>(), registry);
        return (topic, number) -> {
            JsonNode event = mapper.createObjectNode()
                    .put("type", "track")
                    .put("event", "Order")
                    .put("messageId", "m-" + number)
                    .put("userId", "u" + number % 50)
                    .set("properties", mapper.createObjectNode().put("n", number));
            return serializer.serialize(topic, event);
        };
    }

    /** In proto2, whose zeros are written, too. */
    private static Writer protobuf(String registry) throws Exception {
        DescriptorProto properties = DescriptorProto.newBuilder().setName("Properties")
                .addField(field("n", 1, FieldDescriptorProto.Type.TYPE_INT32)).build();
        DescriptorProto event = DescriptorProto.newBuilder().setName("Event")
                .addField(field("type", 1, FieldDescriptorProto.Type.TYPE_STRING))
                .addField(field("event", 2, FieldDescriptorProto.Type.TYPE_STRING))
                .addField(field("message_id", 3, FieldDescriptorProto.Type.TYPE_STRING))
                .addField(field("user_id", 4, FieldDescriptorProto.Type.TYPE_STRING))
                .addField(field("properties", 5, FieldDescriptorProto.Type.TYPE_MESSAGE).setTypeName(".shop.Properties"))
                .build();
        FileDescriptorProto file = FileDescriptorProto.newBuilder().setName("event.proto").setPackage("shop")
                .setSyntax("proto2").addMessageType(properties).addMessageType(event).build();
        FileDescriptor built = FileDescriptor.buildFrom(file, new FileDescriptor[0]);
        Descriptor kind = built.findMessageTypeByName("Event"), inner = built.findMessageTypeByName("Properties");
        Serializer<DynamicMessage> serializer = configured(new ProtobufKafkaSerializer<>(), registry);
        return (topic, number) -> serializer.serialize(topic, DynamicMessage.newBuilder(kind)
                .setField(kind.findFieldByName("type"), "track")
                .setField(kind.findFieldByName("event"), "Order")
                .setField(kind.findFieldByName("message_id"), "m-" + number)
                .setField(kind.findFieldByName("user_id"), "u" + number % 50)
                .setField(kind.findFieldByName("properties"), DynamicMessage.newBuilder(inner)
                        .setField(inner.findFieldByName("n"), number).build())
                .build());
    }

    private static FieldDescriptorProto.Builder field(String name, int number, FieldDescriptorProto.Type type) {
        return FieldDescriptorProto.newBuilder().setName(name).setNumber(number).setType(type)
                .setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL);
    }

    private static <T> Serializer<T> configured(Serializer<T> serializer, String registry) {
        Map<String, Object> options = new HashMap<>();
        options.put("apicurio.registry.url", registry);
        options.put("apicurio.registry.auto-register", true);
        options.put("apicurio.registry.id-handler", "io.apicurio.registry.serde.Legacy4ByteIdHandler");
        options.put("apicurio.registry.use-id", "contentId");
        options.put("apicurio.registry.headers.enabled", false);
        options.put("apicurio.registry.artifact.schema.location", "JsonSchema.json");
        serializer.configure(options, false);
        return serializer;
    }
}
