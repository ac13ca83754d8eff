# What `cmake --install` puts where, and what find_package(Tessera) finds: Tessera::tessera (the library, its headers
# by their path from the root), Tessera::testing (OpCases, and running a program), Tessera::cli (the command).

# Headers that anybody may include: all but those that need a private dependency.
file(GLOB TESSERA_HEADERS CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
     tensor/*.h tensor/cpu/*.h autograd/*.h nn/*.h data/*.h ssl/*.h ssl/eval/*.h apps/cli.h apps/augmentations.h)
list(FILTER TESSERA_HEADERS EXCLUDE REGEX "-inl\\.h$|^tensor/cpu/(targets|highway.*)\\.h$")
target_sources(tessera PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${TESSERA_HEADERS})

set(TESSERA_TESTING_SOURCES ops/low_precision_check.cpp ops/op_case.cpp ops/op_check.cpp support/program.cpp)
list(TRANSFORM TESSERA_TESTING_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/tests/)
set(TESSERA_TESTING_HEADERS tests/ops/op_case.h tests/ops/op_check.h tests/support/program.h)
add_library(tessera-testing STATIC ${TESSERA_TESTING_SOURCES})
target_sources(tessera-testing PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}
               FILES ${TESSERA_TESTING_HEADERS})
target_link_libraries(tessera-testing PUBLIC tessera PRIVATE ${CMAKE_DL_LIBS})
target_compile_options(tessera-testing PRIVATE $<$<CONFIG:Release>:-O1>)

# A test reads this list, and sees that these headers include nothing else.
list(JOIN TESSERA_HEADERS "\n" PUBLIC_HEADERS)
list(JOIN TESSERA_TESTING_HEADERS "\n" TESTING_HEADERS)
file(WRITE ${CMAKE_BINARY_DIR}/public_headers.txt "${PUBLIC_HEADERS}\n${TESTING_HEADERS}\n")

set_target_properties(tessera-testing PROPERTIES EXPORT_NAME testing)
set_target_properties(tessera-cli PROPERTIES EXPORT_NAME cli
                      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(TARGETS tessera tessera-testing tessera-cli EXPORT TesseraTargets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tessera)

set(PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
install(EXPORT TesseraTargets NAMESPACE Tessera:: DESTINATION ${PACKAGE_DIR})
configure_package_config_file(cmake/TesseraConfig.cmake.in ${CMAKE_BINARY_DIR}/TesseraConfig.cmake
                              INSTALL_DESTINATION ${PACKAGE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/TesseraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/TesseraConfig.cmake ${CMAKE_BINARY_DIR}/TesseraConfigVersion.cmake
        DESTINATION ${PACKAGE_DIR})
