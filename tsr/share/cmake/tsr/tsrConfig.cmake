# In: this file where it was installed, with the header at ../../../include/tsr/tsr.hpp: in a wheel,
# or below a prefix. Out: targets for target_link_libraries:
#
#     tsr::tsr     the header, and C++17; it reads and writes what is not compressed
#     tsr::zlib    the same with compressed TSR4, by zlib; of the component zlib:
#
#         find_package(tsr CONFIG REQUIRED COMPONENTS zlib)
#
# A component that cannot be had and is not optional makes tsr_FOUND false, with the reason.

# Whatever policies the project has that calls it, this file has these.
cmake_policy(VERSION 3.15...3.31)

get_filename_component(tsr_INCLUDE_DIR "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)

if(NOT TARGET tsr::tsr)
    add_library(tsr::tsr INTERFACE IMPORTED)
    set_target_properties(tsr::tsr PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${tsr_INCLUDE_DIR}"
        INTERFACE_COMPILE_FEATURES cxx_std_17)
endif()

set(tsr_FOUND TRUE)
foreach(_tsr_component IN LISTS tsr_FIND_COMPONENTS)
    set(tsr_${_tsr_component}_FOUND FALSE)
    if(_tsr_component STREQUAL "zlib")
        find_package(ZLIB QUIET)
        if(ZLIB_FOUND)
            set(tsr_zlib_FOUND TRUE)
            if(NOT TARGET tsr::zlib)
                add_library(tsr::zlib INTERFACE IMPORTED)
                set_target_properties(tsr::zlib PROPERTIES
                    INTERFACE_COMPILE_DEFINITIONS TSR_WITH_ZLIB=1
                    INTERFACE_LINK_LIBRARIES "tsr::tsr;ZLIB::ZLIB")
            endif()
        endif()
        set(_tsr_reason "its component zlib needs zlib and its headers, which were not found")
    else()
        set(_tsr_reason "it has no component ${_tsr_component}, only zlib")
    endif()
    if(tsr_FIND_REQUIRED_${_tsr_component} AND NOT tsr_${_tsr_component}_FOUND)
        set(tsr_FOUND FALSE)
        set(tsr_NOT_FOUND_MESSAGE "${_tsr_reason}")
    endif()
endforeach()
unset(_tsr_component)
unset(_tsr_reason)
