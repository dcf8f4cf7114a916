/* Stand-in for libnvidia-ml.so.1: the calls that vispa-green makes, answered from a text file.
 *
 * The file is named by $VISPA_GREEN_LAB_NVML and read again at every call, so whoever writes it drives the GPUs.
 * One line per GPU, eight fields separated by tabs; "-" stands for "this GPU does not support that":
 *     uuid  minor  name  energy_mj  power_mw  state  mig  processes
 * state is "ok", "lost" or the number of any NVML error; mig is "-", "0" or "1"; processes is "-" or
 * "pid:bytes,pid:bytes".  Nothing here comes from NVIDIA's headers but the names, numbers and layouts of the interface.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, TIMED_OUT = 10, GPU_IS_LOST = 15, RESET_REQUIRED = 16, UNKNOWN = 999
};
enum { MAX_GPUS = 64, MAX_PROCESSES = 64, MAX_LINE = 8192 };

typedef struct {
    unsigned pid;
    unsigned long long used_bytes;
    unsigned gpu_instance, compute_instance;
} process_t;

typedef struct {
    char uuid[96], minor[16], name[96], energy_mj[32], power_mw[32], state[16], mig[4];
    process_t processes[MAX_PROCESSES];
    unsigned process_count;
} gpu_t;

typedef char *handle_t; /* points at a place in `handles`: the distance from its start is the index */

static char handles[MAX_GPUS];
static int initialized;

static void parse_processes(gpu_t *gpu, char *list)
{
    char *entry;
    while ((entry = strsep(&list, ",")) && gpu->process_count < MAX_PROCESSES) {
        process_t process = {0, 0, ~0u, ~0u}; /* all ones: not on a MIG instance */
        if (sscanf(entry, "%u:%llu", &process.pid, &process.used_bytes) == 2)
            gpu->processes[gpu->process_count++] = process;
    }
}

static void parse_gpu(gpu_t *gpu, char *line)
{
    struct { char *text; size_t size; } fields[] = {
        {gpu->uuid, sizeof gpu->uuid}, {gpu->minor, sizeof gpu->minor}, {gpu->name, sizeof gpu->name},
        {gpu->energy_mj, sizeof gpu->energy_mj}, {gpu->power_mw, sizeof gpu->power_mw},
        {gpu->state, sizeof gpu->state}, {gpu->mig, sizeof gpu->mig},
    };
    memset(gpu, 0, sizeof *gpu);
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char *field = strsep(&line, "\t");
        snprintf(fields[i].text, fields[i].size, "%s", field ? field : "-");
    }
    parse_processes(gpu, line);
}

/* Reads the GPU at `index` into `gpu` (unless null); returns how many GPUs there are, or -1 without the file. */
static int read_state(int index, gpu_t *gpu)
{
    const char *path = getenv("VISPA_GREEN_LAB_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[MAX_LINE];
    int count = 0;
    if (!file)
        return -1;
    while (count < MAX_GPUS && fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (count++ == index && gpu)
            parse_gpu(gpu, line);
    }
    fclose(file);
    return count;
}

static int error_of(const gpu_t *gpu)
{
    if (!strcmp(gpu->state, "ok"))
        return SUCCESS;
    if (!strcmp(gpu->state, "lost"))
        return GPU_IS_LOST;
    int number = atoi(gpu->state);
    return number > 0 ? number : UNKNOWN;
}

static int find(handle_t handle, gpu_t *gpu)
{
    if (!initialized)
        return UNINITIALIZED;
    if (handle < handles || handle >= handles + MAX_GPUS)
        return INVALID_ARGUMENT;
    int index = (int)(handle - handles), count = read_state(index, gpu);
    if (count < 0)
        return DRIVER_NOT_LOADED;
    return index < count ? error_of(gpu) : GPU_IS_LOST; /* the line was there when the handle was given out */
}

static int copy_text(const char *text, char *out, unsigned size)
{
    if (!out || strlen(text) >= size)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    if (read_state(-1, NULL) < 0)
        return DRIVER_NOT_LOADED;
    initialized++;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void)
{
    if (!initialized)
        return UNINITIALIZED;
    initialized--;
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case TIMED_OUT: return "Timeout";
    case GPU_IS_LOST: return "GPU is lost";
    case RESET_REQUIRED: return "GPU requires reset";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) { return copy_text("0.0-vispa-green-lab", out, size); }

int nvmlDeviceGetCount_v2(unsigned *count)
{
    if (!initialized)
        return UNINITIALIZED;
    int found = read_state(-1, NULL);
    if (found < 0)
        return DRIVER_NOT_LOADED;
    *count = (unsigned)found;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle_t *handle)
{
    gpu_t gpu;
    if (!initialized)
        return UNINITIALIZED;
    int count = index < MAX_GPUS ? read_state((int)index, &gpu) : 0;
    if (count < 0)
        return DRIVER_NOT_LOADED;
    if (index >= (unsigned)count)
        return INVALID_ARGUMENT;
    *handle = handles + index;
    return error_of(&gpu);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, handle_t *handle)
{
    gpu_t gpu;
    if (!initialized)
        return UNINITIALIZED;
    for (int index = 0; index < read_state(index, &gpu); index++)
        if (!strcmp(gpu.uuid, uuid)) {
            *handle = handles + index;
            return error_of(&gpu);
        }
    return NOT_FOUND;
}

int nvmlDeviceGetIndex(handle_t handle, unsigned *index)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (!error)
        *index = (unsigned)(handle - handles);
    return error;
}

int nvmlDeviceGetMinorNumber(handle_t handle, unsigned *minor)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (!error)
        *minor = (unsigned)strtoul(gpu.minor, NULL, 10);
    return error;
}

int nvmlDeviceGetUUID(handle_t handle, char *out, unsigned size)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    return error ? error : copy_text(gpu.uuid, out, size);
}

int nvmlDeviceGetName(handle_t handle, char *out, unsigned size)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    return error ? error : copy_text(gpu.name, out, size);
}

int nvmlDeviceGetTotalEnergyConsumption(handle_t handle, unsigned long long *energy_mj)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (error)
        return error;
    if (gpu.energy_mj[0] == '-')
        return NOT_SUPPORTED;
    *energy_mj = strtoull(gpu.energy_mj, NULL, 10);
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(handle_t handle, unsigned *power_mw)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (error)
        return error;
    if (gpu.power_mw[0] == '-')
        return NOT_SUPPORTED;
    *power_mw = (unsigned)strtoul(gpu.power_mw, NULL, 10);
    return SUCCESS;
}

int nvmlDeviceGetMigMode(handle_t handle, unsigned *current, unsigned *pending)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (error)
        return error;
    if (gpu.mig[0] == '-')
        return NOT_SUPPORTED;
    *current = *pending = gpu.mig[0] == '1';
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(handle_t handle, unsigned *count, process_t *out)
{
    gpu_t gpu;
    int error = find(handle, &gpu);
    if (error)
        return error;
    unsigned room = *count;
    *count = gpu.process_count;
    if (room < gpu.process_count || (gpu.process_count && !out))
        return INSUFFICIENT_SIZE;
    if (gpu.process_count)
        memcpy(out, gpu.processes, gpu.process_count * sizeof *out);
    return SUCCESS;
}
