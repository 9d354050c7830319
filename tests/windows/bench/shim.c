/*
 * The parts of complex numbers: Wine's ucrtbase.dll lists these functions but does not hold them, and NumPy and SciPy
 * ask for them when they are loaded. A library made from this file and a list that forwards every other name to the
 * original takes the original's place (runtime.py).
 */

float __cdecl real_part_f(float _Complex z) { return __real__ z; }

float __cdecl imaginary_part_f(float _Complex z) { return __imag__ z; }

/* long double is double on Windows, so these two serve the l-functions as well */
double __cdecl real_part(double _Complex z) { return __real__ z; }

double __cdecl imaginary_part(double _Complex z) { return __imag__ z; }

int __stdcall library_entry(void *module, unsigned reason, void *reserved) { return 1; }
