// The dynamic shared memory of a thread block. Its size is an argument of the launch.
#pragma once

extern __shared__ __align__(16) unsigned char shared_memory[];
