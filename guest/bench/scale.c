#include "guest/bench/bench.h"

void scale_main(void)
{
}
