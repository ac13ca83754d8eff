// The OpCases' files hold tests too; they need doctest's code to link, though nothing here runs them.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
