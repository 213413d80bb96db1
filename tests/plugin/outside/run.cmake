# What an outside author does. Installs the SDK out of BUILD into WORK, builds against it the C project beside this file and the example that
# docs/plugin-authors.md shows, typed as it stands, and has PROBE load what comes of them.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${status}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(build_and_probe source name expected)
  run("${CMAKE_COMMAND}" -S "${source}" -B "${WORK}/build-${name}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_INSTALL_PREFIX=${WORK}/${name}")
  run("${CMAKE_COMMAND}" --build "${WORK}/build-${name}")
  run("${CMAKE_COMMAND}" --install "${WORK}/build-${name}")
  file(GLOB_RECURSE plugin "${WORK}/${name}/*.so")
  run("${PROBE}" probe --json "${plugin}")
  if(NOT output MATCHES "\"result\":\"loads\"" OR NOT output MATCHES "${expected}")
    message(FATAL_ERROR "${name} is not loaded: ${output}")
  endif()
endfunction()

# The first block of a language in a Markdown text.
function(write_block text language file)
  string(FIND "${text}" "```${language}\n" from)
  string(SUBSTRING "${text}" ${from} -1 rest)
  string(REGEX REPLACE "^```[a-z]+\n" "" rest "${rest}")
  string(FIND "${rest}" "```" to)
  string(SUBSTRING "${rest}" 0 ${to} block)
  file(WRITE "${file}" "${block}")
endfunction()

set(ENV{CMAKE_GENERATOR} Ninja)  # a bare Debian has no make
file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --component sdk --prefix "${WORK}/prefix")
build_and_probe("${CMAKE_CURRENT_LIST_DIR}" in-c "2.5.0")
file(READ "${DOCUMENT}" text)
write_block("${text}" cmake "${WORK}/documented/CMakeLists.txt")
write_block("${text}" cpp "${WORK}/documented/example.cpp")
build_and_probe("${WORK}/documented" documented "\"type\":\"example\"")
