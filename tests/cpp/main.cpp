// The test cases of the other units -> the main function of doctest, which runs them.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
