#include "kernels.h"

void ek_ready(void);
void ek_done(void);

int main(void)
{
    ek_ready();
    for (;;) {
        calibration_run();
        ek_done();
    }
}
