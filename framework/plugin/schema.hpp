// A type's JSON Schema, understood and ready to judge specs. Included by loader.cpp; the only code that knows the validator is schema.cpp.
#pragma once

#include <memory>

#include "framework/model/error.hpp"
#include "framework/model/json.hpp"

namespace velocity::plugin {

// JSON Schema draft 7, less what could hurt: `pattern` and `patternProperties` (the validator's regular expressions overflow the stack on long
// text) and references to anything but "#/definitions/<name>", which are written out. What is not known is refused, not ignored.
// Immutable: safe from any thread.
class Schema {
 public:
  explicit Schema(const model::Json& schema);  // throws Error(plugin_failed) saying what is wrong with it
  ~Schema();
  Schema(Schema&&) noexcept;
  Schema& operator=(Schema&&) = delete;

  const model::Json& document() const;  // with its references written out

  // The spec with defaults filled in, decimal strings made integers where integers stand, and nulls dropped where null is no value.
  // Throws request_invalid with every problem.
  model::Json normalise(const model::Json& spec) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

}  // namespace velocity::plugin
