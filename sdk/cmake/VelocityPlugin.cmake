# Builds plugins. Used by an outsider's project after find_package(VelocitySDK), and by the server's own plugins just the same.
#
#   velocity_add_plugin(<name> SOURCES … PROVIDES vm/<type> resource/<type> … LICENCE <SPDX>
#                       [VERSION <version>] [ABI_MINOR <least minor needed>] [COMPONENT <install component>])
#
# makes the target <name>, a module <name>.so with its manifest in an ELF note, and the rule that installs it.
include_guard(GLOBAL)
include(GNUInstallDirs)

set(VELOCITY_PLUGIN_DIR "${CMAKE_INSTALL_LIBDIR}/velocity/plugins" CACHE STRING "where plugins are installed, below the prefix")

function(velocity_add_plugin name)
  cmake_parse_arguments(PLUGIN "" "LICENCE;VERSION;ABI_MINOR;COMPONENT" "SOURCES;PROVIDES" ${ARGN})
  foreach(needed SOURCES PROVIDES LICENCE)
    if(NOT PLUGIN_${needed})
      message(FATAL_ERROR "velocity_add_plugin(${name}): ${needed} is missing")
    endif()
  endforeach()
  if(NOT name MATCHES "^[a-z][a-z0-9-]*$")
    message(FATAL_ERROR "velocity_add_plugin(${name}): a name is a lower-case letter, then letters, digits and '-'")
  endif()
  foreach(type IN LISTS PLUGIN_PROVIDES)
    if(NOT type MATCHES "^(vm|resource)/[a-z][a-z0-9-]*$")
      message(FATAL_ERROR "velocity_add_plugin(${name}): PROVIDES takes vm/<type> and resource/<type>, not '${type}'")
    endif()
  endforeach()
  if(NOT PLUGIN_VERSION)
    set(PLUGIN_VERSION "${PROJECT_VERSION}")
  endif()
  if(NOT PLUGIN_ABI_MINOR)
    set(PLUGIN_ABI_MINOR 0)
  endif()
  if(NOT PLUGIN_COMPONENT)
    set(PLUGIN_COMPONENT "plugin-${name}")
  endif()

  _velocity_manifest(${name} "${PLUGIN_VERSION}" "${PLUGIN_LICENCE}" ${PLUGIN_ABI_MINOR} "${PLUGIN_PROVIDES}" manifest)
  add_library(${name} MODULE ${PLUGIN_SOURCES} "${manifest}")
  target_link_libraries(${name} PRIVATE Velocity::SDK)
  set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME "${name}" NO_SONAME ON
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map")
  target_link_options(${name} PRIVATE
    "LINKER:-z,nodelete,-z,now,-z,relro,-z,noexecstack" "LINKER:--exclude-libs,ALL" "LINKER:--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map")
  # A sanitizer's functions are in the program that loads the plugin, not in the plugin.
  if(NOT VELOCITY_SANITIZE AND NOT "${CMAKE_CXX_FLAGS} ${CMAKE_C_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS}" MATCHES "-fsanitize")
    target_link_options(${name} PRIVATE "LINKER:--no-undefined")
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION "${VELOCITY_PLUGIN_DIR}" COMPONENT "${PLUGIN_COMPONENT}")
endfunction()

function(_velocity_manifest name version licence minor provides result)
  list(TRANSFORM provides PREPEND "\"")
  list(TRANSFORM provides APPEND "\"")
  list(JOIN provides "," provides)
  set(json "{\"name\":\"${name}\",\"version\":\"${version}\",\"licence\":\"${licence}\",\"abi\":{\"major\":1,\"minor\":${minor}},\"provides\":[${provides}]}")
  string(LENGTH "${json}" json_size)
  math(EXPR padded_size "(${json_size} + 4) / 4 * 4")  # at least one zero after it, as a literal needs
  string(REPLACE "\\" "\\\\" json_literal "${json}")
  string(REPLACE "\"" "\\\"" json_literal "${json_literal}")
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("CXX" IN_LIST languages)
    set(suffix cpp)
  else()
    set(suffix c)
  endif()
  set(file "${CMAKE_CURRENT_BINARY_DIR}/${name}.manifest.${suffix}")
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/manifest.c.in" "${file}" @ONLY)
  # Nothing may be put between the note's fields.
  set_source_files_properties("${file}" PROPERTIES COMPILE_OPTIONS "-fno-sanitize=all" GENERATED TRUE)
  set(${result} "${file}" PARENT_SCOPE)
endfunction()
