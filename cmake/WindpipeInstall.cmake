# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where: headers, libraries, CMake package,
# pkg-config file, tool, man pages, completions, documents and the tmpfiles.d
# entry that makes /run/windpipe. A part that does not exist is left out.

include(CMakePackageConfigHelpers)

set(windpipe_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/windpipe")

install(TARGETS windpipe_shared windpipe_static
  EXPORT windpipeTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/include/windpipe.h"
  "${PROJECT_SOURCE_DIR}/include/windpipe.hpp"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES ${windpipe_headers}
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/windpipe")
if(TARGET windpipe)
  install(TARGETS windpipe RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# --- how other projects find it ----------------------------------------------

install(EXPORT windpipeTargets
  NAMESPACE windpipe::
  DESTINATION "${windpipe_package_dir}")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/packaging/windpipeConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/windpipeConfig.cmake"
  INSTALL_DESTINATION "${windpipe_package_dir}")
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/windpipeConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/windpipeConfig.cmake"
  "${PROJECT_BINARY_DIR}/windpipeConfigVersion.cmake"
  DESTINATION "${windpipe_package_dir}")

# The .pc file finds its prefix from where it lies, so a tree may be moved.
file(RELATIVE_PATH WINDPIPE_PC_PREFIX
  "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" WINDPIPE_PC_PREFIX "${WINDPIPE_PC_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/packaging/windpipe.pc.in"
  "${PROJECT_BINARY_DIR}/windpipe.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/windpipe.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# --- man pages: docs/man/<page>.<section>.scd --------------------------------

find_program(WINDPIPE_SCDOC scdoc)
file(GLOB windpipe_man_sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/docs/man/*.scd")
if(WINDPIPE_SCDOC AND windpipe_man_sources)
  set(windpipe_man_pages)
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/man")
  foreach(source IN LISTS windpipe_man_sources)
    get_filename_component(page "${source}" NAME_WLE)
    string(REGEX REPLACE "^.*\\." "" section "${page}")
    set(output "${PROJECT_BINARY_DIR}/man/${page}")
    add_custom_command(OUTPUT "${output}"
      COMMAND sh -c "\"$1\" <\"$2\" >\"$3\"" sh
        "${WINDPIPE_SCDOC}" "${source}" "${output}"
      DEPENDS "${source}"
      COMMENT "Formatting ${page}"
      VERBATIM)
    list(APPEND windpipe_man_pages "${output}")
    install(FILES "${output}"
      DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
  endforeach()
  add_custom_target(windpipe_man ALL DEPENDS ${windpipe_man_pages})
elseif(windpipe_man_sources AND WINDPIPE_TOP_LEVEL)
  message(STATUS "scdoc not found: the man pages are left out")
endif()

# --- a page for each function, from its comment in the header ------------------

find_package(Python3 QUIET COMPONENTS Interpreter)
set(windpipe_man_tool "${PROJECT_SOURCE_DIR}/tools/man-functions")
if(Python3_Interpreter_FOUND AND EXISTS "${windpipe_man_tool}")
  set(headers "${PROJECT_SOURCE_DIR}/include/windpipe.h" ${windpipe_headers})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${headers} "${windpipe_man_tool}")
  execute_process(COMMAND "${Python3_EXECUTABLE}" "${windpipe_man_tool}" --list
    OUTPUT_VARIABLE pages RESULT_VARIABLE result
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "tools/man-functions failed")
  endif()
  string(REPLACE "\n" ";" pages "${pages}")
  list(TRANSFORM pages PREPEND "${PROJECT_BINARY_DIR}/man3/")
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/man3")
  add_custom_command(OUTPUT ${pages}
    COMMAND "${Python3_EXECUTABLE}" "${windpipe_man_tool}"
      "${PROJECT_BINARY_DIR}/man3"
    DEPENDS ${headers} ${windpipe_man_sources} "${windpipe_man_tool}"
    COMMENT "Making the man pages of functions"
    VERBATIM)
  add_custom_target(windpipe_man_functions ALL DEPENDS ${pages})
  install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man3")
elseif(WINDPIPE_TOP_LEVEL)
  message(STATUS "python3 not found: the man pages of functions are left out")
endif()

# --- completions, documents, runtime directory -------------------------------

install(FILES "${PROJECT_SOURCE_DIR}/packaging/completions/windpipe.bash"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
  RENAME windpipe OPTIONAL)
install(FILES "${PROJECT_SOURCE_DIR}/packaging/completions/_windpipe"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" OPTIONAL)
install(FILES "${PROJECT_SOURCE_DIR}/packaging/completions/windpipe.fish"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" OPTIONAL)

file(GLOB windpipe_documents CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/NEWS.md"
  "${PROJECT_SOURCE_DIR}/SECURITY.md" "${PROJECT_SOURCE_DIR}/LICENSE"
  "${PROJECT_SOURCE_DIR}/docs/*.md")
install(FILES ${windpipe_documents} DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES ${windpipe_example_sources}
  DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")

file(GLOB windpipe_units CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/packaging/systemd/windpipe.*")
install(FILES ${windpipe_units}
  DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")

if(NOT WIN32)
  install(FILES "${PROJECT_SOURCE_DIR}/packaging/windpipe.tmpfiles.conf"
    DESTINATION lib/tmpfiles.d RENAME windpipe.conf)
endif()
