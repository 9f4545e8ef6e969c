/* python.exe: hands the command line to python311.dll, as the interpreter of python.org does. */
#include <stddef.h>

int Py_Main(int argc, wchar_t **argv);
int wmain(int argc, wchar_t **argv) { return Py_Main(argc, argv); }
