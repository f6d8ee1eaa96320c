# SPDX-License-Identifier: Apache-2.0
# What every target of ours is compiled and linked with. Warnings and
# sanitizers reach our own files only, never those of a project that uses us.

set(WINDPIPE_WARNINGS
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings)

# Compile options of one target: C11, our warnings, the chosen sanitizers.
function(windpipe_target target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
  if(WINDPIPE_TOP_LEVEL)
    target_compile_options(${target} PRIVATE ${WINDPIPE_WARNINGS})
  endif()
  if(WINDPIPE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(WINDPIPE_SANITIZE)
    target_compile_options(${target} PRIVATE
      "-fsanitize=${WINDPIPE_SANITIZE}" -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    # It does not see fences, and no race here is kept away by one alone.
    if(WINDPIPE_SANITIZE STREQUAL "thread")
      target_compile_options(${target} PRIVATE
        $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
    endif()
  endif()
  # Threads and processes count together: atomically, into the same files.
  if(WINDPIPE_COVERAGE)
    target_compile_options(${target} PRIVATE
      --coverage -fprofile-update=atomic)
  endif()
  if(WINDPIPE_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  # Fat objects: the static library stays usable by a linker without LTO.
  if(WINDPIPE_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -flto=auto -ffat-lto-objects)
  endif()
endfunction()

# The same for a target in C++ of one standard.
function(windpipe_cpp_target target standard)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD ${standard}
    CXX_STANDARD_REQUIRED ON
    CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef)
  if(WINDPIPE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(WINDPIPE_SANITIZE)
    target_compile_options(${target} PRIVATE
      "-fsanitize=${WINDPIPE_SANITIZE}" -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
  endif()
  windpipe_link_options(${target})
endfunction()

# Link options of one linked target (executable or shared library).
function(windpipe_link_options target)
  if(WINDPIPE_SANITIZE)
    target_link_options(${target} PRIVATE
      "-fsanitize=${WINDPIPE_SANITIZE}" -fno-sanitize-recover=all)
  endif()
  if(WINDPIPE_COVERAGE)
    target_link_options(${target} PRIVATE --coverage
      "LINKER:--wrap=_exit,--wrap=raise")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:windpipe_coverage>)
  endif()
  if(WINDPIPE_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_link_options(${target} PRIVATE -flto=auto)
  endif()
endfunction()
