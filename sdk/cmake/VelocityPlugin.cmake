# Builds and tests plugins. Used by an outsider's project after find_package(VelocitySDK 1.0), and by the server's own plugins just the same.
#
#   velocity_add_plugin(<name> SOURCES … PROVIDES vm/<type> resource/<type> … LICENSE <SPDX>
#                       [VERSION <version>] [REQUIRES_MINOR <least minor of the ABI>] [SETTINGS <file with the JSON Schema of its settings>]
#                       [COMPONENT <install component>])
#
# makes the target <name>, a module <name>.so with its manifest in an ELF note, and the rule that installs it.
#
#   velocity_test_plugin(<name> [ARGUMENTS <option of velocity-plugin test> …])
#
# makes a test of ctest, <name>.conformance, which runs `velocity-plugin test` on it.
include_guard(GLOBAL)
include(GNUInstallDirs)

set(VELOCITY_PLUGIN_DIR "${CMAKE_INSTALL_LIBDIR}/velocity/plugins" CACHE STRING "where plugins are installed, below the prefix")

function(velocity_add_plugin name)
  cmake_parse_arguments(PLUGIN "" "LICENSE;VERSION;REQUIRES_MINOR;SETTINGS;COMPONENT" "SOURCES;PROVIDES" ${ARGN})
  foreach(needed SOURCES PROVIDES LICENSE)
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
  if(PLUGIN_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "velocity_add_plugin(${name}): not understood: ${PLUGIN_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT PLUGIN_VERSION)
    set(PLUGIN_VERSION "${PROJECT_VERSION}")
  endif()
  if(NOT PLUGIN_REQUIRES_MINOR)
    set(PLUGIN_REQUIRES_MINOR 0)
  endif()
  if(NOT PLUGIN_COMPONENT)
    set(PLUGIN_COMPONENT "plugin-${name}")
  endif()

  set(settings "")
  if(PLUGIN_SETTINGS)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PLUGIN_SETTINGS}")
    file(READ "${PLUGIN_SETTINGS}" settings)
    string(JSON settings_type ERROR_VARIABLE fault TYPE "${settings}")
    if(NOT settings_type STREQUAL "OBJECT")
      message(FATAL_ERROR "velocity_add_plugin(${name}): ${PLUGIN_SETTINGS} is not a JSON object: ${fault}")
    endif()
    string(REGEX REPLACE "\n *" " " settings "${settings}")
    string(STRIP "${settings}" settings)
    set(settings ",\"settings\":${settings}")
  endif()

  _velocity_manifest(${name} "${PLUGIN_VERSION}" "${PLUGIN_LICENSE}" ${PLUGIN_REQUIRES_MINOR} "${PLUGIN_PROVIDES}" "${settings}" manifest)
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

function(velocity_test_plugin name)
  cmake_parse_arguments(PLUGIN "" "" "ARGUMENTS" ${ARGN})
  if(TARGET velocity-plugin)  # the server's own tree
    set(program "$<TARGET_FILE:velocity-plugin>")
  else()
    find_program(VELOCITY_PLUGIN_PROGRAM velocity-plugin HINTS "${VelocitySDK_PROGRAM_DIR}" REQUIRED DOC "tries and tests plugins")
    set(program "${VELOCITY_PLUGIN_PROGRAM}")
  endif()
  add_test(NAME ${name}.conformance COMMAND "${program}" test "$<TARGET_FILE:${name}>" ${PLUGIN_ARGUMENTS})
endfunction()

function(_velocity_manifest name version licence minor provides settings result)
  list(TRANSFORM provides PREPEND "\"")
  list(TRANSFORM provides APPEND "\"")
  list(JOIN provides "," provides)
  set(json "{\"name\":\"${name}\",\"version\":\"${version}\",\"licence\":\"${licence}\",\"abi\":{\"major\":1,\"minor\":${minor}},\"provides\":[${provides}]${settings}}")
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
