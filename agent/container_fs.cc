#include "agent/container_fs.h"
