#include "framework/plugin/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/plugin/plugin_fixture.hpp"

namespace velocity::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

Schema object(const Json& properties, const Json& more = Json::object()) {
  Json schema{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
  schema.update(more);
  return Schema(schema);
}

std::vector<std::string> faults(const Schema& schema, const Json& spec) {
  return problems([&] { schema.normalise(spec); });
}

std::string refused(const Json& schema) {
  try {
    Schema{schema};
    return "";
  } catch (const model::Error& error) {
    EXPECT_EQ(error.code(), model::ErrorCode::plugin_failed);
    return error.message();
  }
}

TEST(SchemaTest, AllProblemsAreToldWithTheirPlaces) {
  const auto schema = object({{"size_mb", {{"type", "integer"}, {"minimum", 1}, {"maximum", 64}}},
                              {"format", {{"enum", {"qcow2", "raw"}}}},
                              {"label", {{"type", "string"}, {"maxLength", 3}}},
                              {"on", {{"type", "boolean"}}},
                              {"ports", {{"type", "array"}, {"maxItems", 2}, {"items", {{"type", "integer"}, {"minimum", 1}}}}},
                              {"cloud", {{"type", "object"}, {"required", {"user"}}, {"properties", {{"user", {{"type", "string"}}}}}}},
                              {"needed", {{"type", "string"}}}},
                             {{"required", {"needed"}}});
  EXPECT_THAT(faults(schema, {{"size_mb", 65},
                              {"format", "vmdk"},
                              {"label", "long"},
                              {"on", 1},
                              {"ports", {0, "x", 5}},
                              {"cloud", Json::object()},
                              {"colour", "blue"},
                              {"a/b~c", 1}}),
              UnorderedElementsAre("/size_mb: must be a whole number from 1 to 64", "/format: must be one of qcow2, raw",
                                   "/label: must be a text of at most 3 characters", "/on: must be true or false", "/ports: must be a list of at most 2 entries",
                                   "/ports/0: must be a whole number of at least 1", "/ports/1: must be a whole number of at least 1",
                                   "/cloud/user: is required", "/colour: is not a field of this type", "/a~1b~0c: is not a field of this type",
                                   "/needed: is required"));
}

TEST(SchemaTest, DefaultsAreFilledInAndThenHeldToTheSchema) {
  const auto schema = object({{"format", {{"type", "string"}, {"default", "qcow2"}}},
                              {"nested", {{"type", "object"}, {"default", Json::object()}, {"properties", {{"n", {{"type", "integer"}, {"default", 7}}}}}}}},
                             {{"required", {"format"}}});
  EXPECT_EQ(schema.normalise(Json::object()), Json({{"format", "qcow2"}, {"nested", {{"n", 7}}}}));
  EXPECT_EQ(schema.normalise({{"format", "raw"}})["format"], "raw");
  EXPECT_THAT(faults(object({{"n", {{"type", "integer"}, {"default", "seven"}}}}), Json::object()), ElementsAre("/n: must be a whole number"));
}

TEST(SchemaTest, WhatFormsCanOnlyWriteAsTextIsUnderstood) {
  const auto schema = object({{"n", {{"type", "integer"}}}, {"on", {{"type", "boolean"}}}, {"s", {{"type", "string"}}}, {"l", {{"items", {{"type", "integer"}}}}}});
  EXPECT_EQ(schema.normalise({{"n", "12"}, {"on", "true"}, {"s", "12"}, {"l", {"1", 2}}}), Json({{"n", 12}, {"on", true}, {"s", "12"}, {"l", {1, 2}}}));
  EXPECT_THAT(faults(schema, {{"n", "12x"}}), ElementsAre("/n: must be a whole number"));
  EXPECT_THAT(faults(schema, {{"n", "99999999999999999999"}}), ElementsAre("/n: must be a whole number"));
}

TEST(SchemaTest, NullIsAnAbsentFieldUnlessItIsAValue) {
  const auto schema = object({{"n", {{"type", "integer"}, {"default", 3}}}, {"maybe", {{"type", {"integer", "null"}}}}});
  EXPECT_EQ(schema.normalise({{"n", nullptr}, {"maybe", nullptr}}), Json({{"n", 3}, {"maybe", nullptr}}));
}

TEST(SchemaTest, NumbersThatCannotBeHeldAreRefusedAndNotWrapped) {
  const auto schema = object({{"n", {{"type", "integer"}}}});
  EXPECT_THAT(faults(schema, {{"n", std::uint64_t{18446744073709551615U}}}), ElementsAre("/n: must be a smaller number"));
  EXPECT_THAT(faults(schema, {{"n", 1.5}}), ElementsAre("/n: must be a whole number"));
  EXPECT_THAT(faults(schema, {{"n", 1e300}}), ElementsAre("/n: must be a whole number"));
}

TEST(SchemaTest, ASpecThatIsNoObjectIsRefused) {
  for (const Json& spec : {Json(), Json(7), Json("x"), Json::array()}) EXPECT_THAT(faults(object(Json::object()), spec), ElementsAre(": must be an object"));
}

TEST(SchemaTest, AnOpenObjectKeepsWhatItDoesNotKnow) {
  EXPECT_EQ(Schema(Json{{"type", "object"}}).normalise({{"anything", {1, 2}}}), Json({{"anything", {1, 2}}}));
}

TEST(SchemaTest, ChoicesAreJudged) {
  const Schema schema({{"type", "object"}, {"oneOf", {{{"required", {"a"}}}, {{"required", {"b"}}}}}});
  EXPECT_TRUE(faults(schema, {{"a", 1}}).empty());
  EXPECT_FALSE(faults(schema, {{"a", 1}, {"b", 1}}).empty());
  EXPECT_FALSE(faults(schema, Json::object()).empty());
}

TEST(SchemaTest, ReferencesToDefinitionsAreWrittenOut) {
  const Schema schema(Json::parse(R"({"type":"object","definitions":{"port":{"type":"integer","minimum":1}},
    "properties":{"a":{"$ref":"#/definitions/port"},"list":{"type":"array","items":{"$ref":"#/definitions/port"}}}})"));
  EXPECT_THAT(faults(schema, {{"a", 0}, {"list", {1, 0}}}),
              UnorderedElementsAre("/a: must be a whole number of at least 1", "/list/1: must be a whole number of at least 1"));
  EXPECT_EQ(schema.document().dump().find("$ref"), std::string::npos);
}

TEST(SchemaTest, WhatTheValidatorDoesNotKnowIsRefused) {
  EXPECT_THAT(refused({{"type", "object"}, {"requierd", {"a"}}}), HasSubstr("requierd"));
  EXPECT_THAT(refused({{"type", "object"}, {"properties", {{"a", {{"minimun", 1}}}}}}), HasSubstr("/properties/a"));
  EXPECT_THAT(refused({{"type", "object"}, {"unevaluatedProperties", false}}), HasSubstr("unevaluatedProperties"));
  EXPECT_THAT(refused({{"type", "object"}, {"properties", {{"a", {{"pattern", "^(a+)+$"}}}}}}), HasSubstr("pattern"));
  EXPECT_THAT(refused({{"type", "object"}, {"$schema", "https://json-schema.org/draft/2020-12/schema"}}), HasSubstr("draft 7"));
}

TEST(SchemaTest, ReferencesElsewhereAndToThemselvesAreRefused) {
  const auto with = [](const char* reference) {
    return refused({{"type", "object"}, {"definitions", {{"loop", {{"properties", {{"x", {{"$ref", "#/definitions/loop"}}}}}}}}}, {"properties", {{"a", {{"$ref", reference}}}}}});
  };
  for (const auto* reference : {"http://example.org/schema.json", "file:///etc/passwd", "#", "#/properties/a", "#/definitions/absent", "other.json#/a"})
    EXPECT_THAT(with(reference), HasSubstr("$ref")) << reference;
  EXPECT_THAT(with("#/definitions/loop"), HasSubstr("refers to itself"));
}

TEST(SchemaTest, ReferencesThatMultiplyAreRefused) {
  Json definitions{{"d0", {{"type", "integer"}}}};
  for (int i = 1; i < 20; ++i) {
    const Json below{{"$ref", "#/definitions/d" + std::to_string(i - 1)}};
    definitions["d" + std::to_string(i)] = {{"allOf", {below, below, below, below}}};
  }
  EXPECT_THAT(refused({{"type", "object"}, {"definitions", definitions}, {"properties", {{"a", {{"$ref", "#/definitions/d19"}}}}}}), HasSubstr("too"));
}

TEST(SchemaTest, ABrokenSchemaIsRefusedAndEndsNothing) {
  EXPECT_NE(refused(Json()), "");
  EXPECT_NE(refused({{"type", "string"}}), "");
  EXPECT_NE(refused({{"type", "obj"}}), "");
  EXPECT_NE(refused({{"type", "object"}, {"properties", 7}}), "");
  EXPECT_NE(refused({{"type", "object"}, {"required", "a"}}), "");
  EXPECT_NE(refused({{"type", "object"}, {"properties", {{"a", {{"minimum", "x"}}}}}}), "");
  EXPECT_NE(refused({{"type", "object"}, {"properties", {{"a", {{"multipleOf", 0}}}}}}), "");
  EXPECT_NE(refused({{"type", "object"}, {"properties", {{"a", 7}}}}), "");
}

}  // namespace
}  // namespace velocity::plugin
