# The Debian packages: which there are, what they need, and what cpack must know of them. A package is an install component; a program that
# comes later adds its own with one more debian_package().
set(VELOCITY_MAINTAINER "Velocity maintainers <maintainers@users.noreply.github.com>" CACHE STRING "who answers for the packages")
set(VELOCITY_HOMEPAGE "" CACHE STRING "where users of the packages find the project")

# The plugin ABI stands in its header, and nowhere else.
file(STRINGS "${PROJECT_SOURCE_DIR}/sdk/include/velocity/abi.h" abi REGEX "^#define VELOCITY_ABI_(MAJOR|MINOR) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+)u.*" "\\1" abi_major "${abi}")
string(REGEX REPLACE ".*MINOR ([0-9]+)u.*" "\\1" abi_minor "${abi}")
set(abi_package "velocity-abi-${abi_major}")

set(debian_components)

# debian_package(<component> NAME <package> SUMMARY <line> TEXT <description> [SECTION s] [DEPENDS …] [RECOMMENDS …] [SUGGESTS …]
#                [PROVIDES …] [CONTROL <file> …] [ANY_MACHINE]): the component as a package, with the two files of documentation that each has.
function(debian_package component)
  cmake_parse_arguments(DEB "ANY_MACHINE" "NAME;SUMMARY;TEXT;SECTION" "DEPENDS;RECOMMENDS;SUGGESTS;PROVIDES;CONTROL" ${ARGN})
  string(TOUPPER "${component}" key)
  foreach(relation DEPENDS RECOMMENDS SUGGESTS PROVIDES)
    if(DEB_${relation})
      list(JOIN DEB_${relation} ", " line)
      set(CPACK_DEBIAN_${key}_PACKAGE_${relation} "${line}" PARENT_SCOPE)
    endif()
  endforeach()
  if(NOT DEB_SECTION)
    set(DEB_SECTION admin)
  endif()
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME "${DEB_NAME}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION "${DEB_SECTION}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_FILE_NAME DEB-DEFAULT PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${DEB_SUMMARY}\n${DEB_TEXT}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA "${DEB_CONTROL}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_STRICT_PERMISSION ON PARENT_SCOPE)
  if(DEB_ANY_MACHINE)
    set(CPACK_DEBIAN_${key}_PACKAGE_ARCHITECTURE all PARENT_SCOPE)
  endif()
  set(package "${DEB_NAME}")
  compressed(debian/changelog ${DEB_NAME}.changelog changelog)
  install(FILES "${changelog}" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${DEB_NAME}" RENAME changelog.gz COMPONENT ${component})
  install(FILES debian/copyright DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${DEB_NAME}" COMPONENT ${component})
  set(debian_components ${debian_components} ${component} PARENT_SCOPE)
endfunction()

foreach(script postinst prerm postrm triggers)
  configured(debian/${script} ${script} file)
endforeach()
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/conffiles" "${velocity_configuration}/velocityd.toml\n")
set(control "${CMAKE_CURRENT_BINARY_DIR}/postinst" "${CMAKE_CURRENT_BINARY_DIR}/prerm" "${CMAKE_CURRENT_BINARY_DIR}/postrm"
  "${CMAKE_CURRENT_BINARY_DIR}/triggers" "${CMAKE_CURRENT_BINARY_DIR}/conffiles")

debian_package(server NAME velocity
  SUMMARY "server for virtual machines whose types are plugins"
  TEXT "Velocity is talked to over HTTP with JSON. It keeps users, groups, catalogs and\npermissions, while libvirt and QEMU, embedded in it, do the work.\n.\nThe types of machines and of resources are plugins, each in a package of its\nown: velocity-plugins has them all."
  DEPENDS "libvirt-daemon-driver-qemu" "qemu-system-x86" "qemu-utils" "bubblewrap"
    "systemd | systemd-standalone-sysusers | systemd-sysusers" "systemd | systemd-standalone-tmpfiles | systemd-tmpfiles"
  RECOMMENDS "velocity-plugins"
  SUGGESTS "libvirt-daemon-system"
  PROVIDES "${abi_package} (= ${abi_major}.${abi_minor})"
  CONTROL ${control})

debian_package(sdk NAME velocity-dev SECTION libdevel
  SUMMARY "what plugins of Velocity are built with"
  TEXT "The headers, for C and for C++, the CMake functions that build and test a\nplugin, and a file for pkg-config. A plugin brings types of virtual machines or\nof resources into the server."
  DEPENDS "nlohmann-json3-dev"
  RECOMMENDS "velocity" "cmake" "g++")

# name | summary | what else it says | Depends | Recommends
set(plugin_packages
  "bridged-nic|network interfaces on the host's own networks|Guests on the bridges, network cards and bonds of the host, kept to their own\nEthernet addresses by the kernel's packet filter.||nftables"
  "disk-image|disk images|Disks and CD images in storage pools: created, uploaded, cloned, grown and\ndownloaded.||"
  "efi|machines with EFI firmware|Virtual machines that boot by EFI, with Secure Boot, a TPM and cloud-init where\nthey are wanted.|ovmf|swtpm, swtpm-tools"
  "file-handle-nic|network interfaces on Unix sockets|The Ethernet frames of a guest on a socket, for a switch in user space or for\npasst.||"
  "kboot|machines that boot a kernel directly|Virtual machines that boot a kernel and its initial file system out of images.||"
  "mac|machines for macOS|Virtual machines for macOS on Apple's hardware, booted by OpenCore.||ovmf"
  "user-nic|network interfaces with NAT|User-mode networking with DHCP and forwarded ports, which needs no privilege.||")
get_property(built GLOBAL PROPERTY VELOCITY_PLUGINS)
set(all_plugins)
foreach(entry IN LISTS plugin_packages)
  string(REPLACE "|" ";" entry "${entry}")
  list(GET entry 0 name)
  if(NOT name IN_LIST built)
    continue()
  endif()
  list(GET entry 1 summary)
  list(GET entry 2 text)
  list(GET entry 3 needs)
  list(GET entry 4 wishes)
  debian_package(plugin-${name} NAME velocity-plugin-${name}
    SUMMARY "${summary} for Velocity" TEXT "A plugin of the server Velocity.\n${text}"
    DEPENDS "${abi_package} (>= ${abi_major}.0)" ${needs} RECOMMENDS ${wishes})
  list(APPEND all_plugins "velocity-plugin-${name}")
endforeach()
debian_package(plugins NAME velocity-plugins ANY_MACHINE SECTION metapackages
  SUMMARY "all plugins of Velocity"
  TEXT "An empty package that brings every plugin that comes with the server Velocity.\nWho wants only some installs velocity and those."
  DEPENDS ${all_plugins})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME velocity)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has one of its own
set(CPACK_PACKAGE_CONTACT "${VELOCITY_MAINTAINER}")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "${VELOCITY_HOMEPAGE}")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL ${debian_components})
set(CPACK_STRIP_FILES ON)
# The configuration is outside the prefix; so the files are staged below a directory of cpack's.
set(CPACK_SET_DESTDIR ON)
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_POST_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/same_bytes.cmake")
set(CPACK_THREADS 0)
include(CPack)
