# How every target of the tree is compiled, and the functions that make them.
#
#   velocity_room(<name> SOURCES … [PUBLIC …] [PRIVATE …])   a room of the house as a static library velocity_<name>
#   velocity_rooms_for_guests(<name> …)                      these rooms once more as velocity_<name>_for_guests
#   velocity_test(<name> SOURCES … LINK …)                   a GoogleTest program; each of its tests is a test of ctest
#   velocity_python_test(<name> FILE … [TIMEOUT s] [GUESTS] [ARGUMENTS …])  a pytest file run against the built server
include_guard(GLOBAL)

option(VELOCITY_TESTS "build the tests" ON)
set(VELOCITY_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=")
option(VELOCITY_WERROR "warnings are errors" OFF)

find_program(VELOCITY_CCACHE ccache)
if(VELOCITY_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${VELOCITY_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${VELOCITY_CCACHE}")
endif()

add_compile_options(-Wall -Wextra -Wpedantic $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<BOOL:${VELOCITY_WERROR}>:-Werror>)
# What is installed does not know where it was built: the same source gives the same bytes anywhere.
add_compile_options($<$<NOT:$<CONFIG:Debug>>:-ffile-prefix-map=${PROJECT_BINARY_DIR}=/build>
  $<$<NOT:$<CONFIG:Debug>>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}=/source>)
add_compile_definitions(_FORTIFY_SOURCE=$<IF:$<CONFIG:Debug>,0,2>)
add_compile_options(-fstack-protector-strong)
add_link_options(-Wl,-z,relro,-z,now)
if(VELOCITY_SANITIZE)
  add_compile_options(-fsanitize=${VELOCITY_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VELOCITY_SANITIZE})
endif()

function(velocity_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(velocity_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(velocity_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(velocity_${name} PUBLIC ${ROOM_PUBLIC} PRIVATE ${ROOM_PRIVATE})
  _velocity_precompile(velocity_${name} "${ROOM_SOURCES}" <nlohmann/json.hpp>)
endfunction()

# What nearly every source includes is parsed once, where that is worth it.
function(_velocity_precompile target sources)
  list(LENGTH sources count)
  if(count GREATER 3)
    target_precompile_headers(${target} PRIVATE <algorithm> <filesystem> <functional> <map> <memory> <optional> <string> <vector> ${ARGN})
  endif()
endfunction()

# libvirt's embedded driver forks with threads and allocates in the child, where a lock of the address sanitizer's allocator may be held for
# ever. So what runs it in this process does without that sanitizer, and with the others.
function(velocity_rooms_for_guests)
  foreach(name ${ARGN})
    if(NOT VELOCITY_SANITIZE MATCHES address)
      add_library(velocity_${name}_for_guests ALIAS velocity_${name})
      continue()
    endif()
    get_target_property(folder velocity_${name} SOURCE_DIR)
    get_target_property(sources velocity_${name} SOURCES)
    get_target_property(links velocity_${name} LINK_LIBRARIES)
    list(TRANSFORM sources PREPEND "${folder}/")
    list(TRANSFORM links REPLACE "^(velocity_.+)$" "\\1_for_guests")
    add_library(velocity_${name}_for_guests STATIC ${sources})
    target_include_directories(velocity_${name}_for_guests PUBLIC "${PROJECT_SOURCE_DIR}")
    target_link_libraries(velocity_${name}_for_guests PUBLIC ${links})
    target_compile_options(velocity_${name}_for_guests PUBLIC -fno-sanitize=address)
    target_link_options(velocity_${name}_for_guests PUBLIC -fno-sanitize=address)
  endforeach()
endfunction()

function(velocity_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_LINK} GTest::gmock GTest::gtest_main)
  _velocity_precompile(${name} "${TEST_SOURCES}" <gtest/gtest.h> <nlohmann/json.hpp>)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}." PROPERTIES TIMEOUT ${TEST_TIMEOUT})
endfunction()

# GUESTS says that the test's server runs the embedded hypervisor: it then takes the release build where this one is sanitized, for the reason
# that velocity_rooms_for_guests() has.
function(velocity_python_test name)
  cmake_parse_arguments(TEST "GUESTS" "FILE;TIMEOUT" "ARGUMENTS" ${ARGN})
  set(build "${PROJECT_BINARY_DIR}")
  if(TEST_GUESTS AND VELOCITY_SANITIZE)
    set(build "${PROJECT_SOURCE_DIR}/build/release")
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider "${CMAKE_CURRENT_SOURCE_DIR}/${TEST_FILE}" ${TEST_ARGUMENTS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT}
    ENVIRONMENT "VELOCITY_BUILD=${build};VELOCITY_SOURCE=${PROJECT_SOURCE_DIR};PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/support;PYTHONDONTWRITEBYTECODE=1")
endfunction()
