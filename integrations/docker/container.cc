#include "integrations/docker/container.h"
