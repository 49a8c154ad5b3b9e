# In: the version that find_package(tsr VERSION) asks for, or a range of versions. Out: the version
# of the header, and whether it will do. The number itself stands in the header alone.
#
# As the package promises: from 1.0 on what is newer than what is asked for will do, up to the next
# major version; before 1.0 up to the next minor one.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/tsr/tsr.hpp" _tsr_lines
    REGEX "^#define TSR_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
foreach(_tsr_part MAJOR MINOR PATCH)
    string(REGEX MATCH "TSR_VERSION_${_tsr_part} +([0-9]+)" _tsr_match "${_tsr_lines}")
    set(_tsr_${_tsr_part} "${CMAKE_MATCH_1}")
endforeach()
set(PACKAGE_VERSION "${_tsr_MAJOR}.${_tsr_MINOR}.${_tsr_PATCH}")

set(PACKAGE_VERSION_COMPATIBLE FALSE)
set(PACKAGE_VERSION_EXACT FALSE)
if(PACKAGE_FIND_VERSION_RANGE)
    # Who names both ends knows what is in between.
    if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN
        AND (PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX
            OR (PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE"
                AND PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX)))
        set(PACKAGE_VERSION_COMPATIBLE TRUE)
    endif()
elseif(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
    set(PACKAGE_VERSION_EXACT TRUE)
elseif(PACKAGE_VERSION VERSION_GREATER PACKAGE_FIND_VERSION
    AND PACKAGE_FIND_VERSION_MAJOR EQUAL _tsr_MAJOR
    AND (_tsr_MAJOR GREATER 0
        OR PACKAGE_FIND_VERSION_COUNT EQUAL 1
        OR PACKAGE_FIND_VERSION_MINOR EQUAL _tsr_MINOR))
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
