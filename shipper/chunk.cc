#include "shipper/chunk.h"
