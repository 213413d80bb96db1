#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <pugixml.hpp>
#include <velocity/xml.hpp>

namespace velocity::sdk::xml {
namespace {

pugi::xml_node parsed(pugi::xml_document& document, const std::string& xml) {
  const auto result = document.load_string(xml.c_str(), pugi::parse_default | pugi::parse_ws_pcdata);
  EXPECT_TRUE(result) << xml << ": " << result.description();
  return document.first_child();
}

bool carries(const std::string& text) {
  try {
    Element("a").text(text).str();
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

TEST(XmlTest, ElementsNestAndEmptyOnesAreClosed) {
  Element disk("disk");
  disk.attribute("type", "file");
  disk.child("source").attribute("file", "/a");
  disk.child("boot").attribute("order", 1);
  disk.child("name").text("x");
  EXPECT_EQ(disk.str(), "<disk type='file'><source file='/a'/><boot order='1'/><name>x</name></disk>");
}

TEST(XmlTest, TextCannotBecomeMarkup) {
  const std::string hostile = "x'/><disk file=\"/etc/shadow\"/><!--&quot;]]>";
  Element element("a");
  element.attribute("b", hostile).text(hostile);
  pugi::xml_document document;
  const auto node = parsed(document, element.str());
  EXPECT_EQ(node.attribute("b").value(), hostile);
  EXPECT_EQ(node.text().get(), hostile);
  EXPECT_FALSE(node.first_child().next_sibling());
  EXPECT_FALSE(node.next_sibling());
}

TEST(XmlTest, NamesAreCheckedAndAttributesAreGivenOnce) {
  for (const auto* name : {"", "a b", "a>", "1a", "a='", "-a", "a:b", "ä"}) EXPECT_THROW(Element{name}, std::invalid_argument) << name;
  EXPECT_THROW(Element("a").attribute("b c", "x"), std::invalid_argument);
  EXPECT_THROW(Element("a").attribute("b", "x").attribute("b", "y"), std::invalid_argument);
}

TEST(XmlTest, WhatXmlCannotCarryIsRefused) {
  for (const std::string& text : {std::string("\0", 1), std::string("\x01"), std::string("\x1b[0m"), std::string("\xff"), std::string("\xc3"), std::string("\xc0\x80"),
                                 std::string("\xed\xa0\x80"), std::string("\xf5\x80\x80\x80"), std::string("\xef\xbf\xbf"), std::string("a\xe2\x82")})
    EXPECT_FALSE(carries(text)) << testing::PrintToString(text);
  for (const std::string text : {"", "\t\n\r", "grüß", "€", "😀", "\x7f"}) EXPECT_TRUE(carries(text)) << text;
}

// Text with every character that means something to a parser, and some that need more than a byte.
rc::Gen<std::string> any_text() {
  const auto piece = rc::gen::element<std::string>("<", ">", "&", "'", "\"", "]]>", "<!--", "&amp;", "&#0;", "\t", "\n", "\r", " ", "a", "/", "=", "ü", "€", "😀", "\x7f");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const std::vector<std::string>& pieces) {
    std::string text;
    for (const auto& one : pieces) text += one;
    return text;
  });
}

RC_GTEST_PROP(XmlTest, WhateverIsWrittenIsReadBackUnchanged, ()) {
  const auto value = *any_text();
  const auto text = *any_text();
  Element element("a");
  element.attribute("b", value).text(text);
  pugi::xml_document document;
  const auto xml = element.str();
  RC_ASSERT(document.load_string(xml.c_str(), pugi::parse_default | pugi::parse_ws_pcdata));
  RC_ASSERT(std::string(document.child("a").attribute("b").value()) == value);
  RC_ASSERT(std::string(document.child("a").text().get()) == text);
}

// Any bytes at all are either refused or read back as they were.
RC_GTEST_PROP(XmlTest, BytesAreReadBackUnchangedOrRefused, (const std::string& bytes)) {
  if (!carries(bytes)) return;
  pugi::xml_document document;
  RC_ASSERT(document.load_string(Element("a").attribute("b", bytes).str().c_str()));
  RC_ASSERT(std::string(document.child("a").attribute("b").value()) == bytes);
}

}  // namespace
}  // namespace velocity::sdk::xml
