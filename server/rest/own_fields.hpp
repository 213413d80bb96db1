// Which fields of a creation are the type's own, and what is wrong with them beside what is wrong with the core's. Included by the tables that
// create and alter things of a plugin's type.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "framework/model/field_reader.hpp"
#include "framework/service/machines.hpp"

namespace velocity::rest {

// All that is not the core's; and, whosever it is, all that the type's schema names. The type's schema decides whether more may stand
// there.
model::Json own_fields(const model::Json& fields, const plugin::Type* type, std::initializer_list<std::string_view> of_the_core);

// Those of them that the type's schema does not name, whether it lets them stand there or not. null is the same as absent.
std::vector<std::string> unknown_fields(const plugin::Type& type, const model::Json& own);

// As FieldReader::finish(); where it throws, the problems of the type's own fields are among the others, unknown ones too.
void finish_with_own(model::FieldReader& fields, const plugin::Type& type, const model::Json& own);

}  // namespace velocity::rest
