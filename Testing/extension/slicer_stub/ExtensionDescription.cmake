# Writes the package's description as NAME=VALUE lines that a test can read.
set(description "NAME=${PROJECT_NAME}\n")
foreach(key HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  string(APPEND description "${key}=${EXTENSION_${key}}\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/description.txt "${description}")
