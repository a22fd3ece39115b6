// Prints what NVIDIA's management library says of this machine's GPUs as JSON (Topology's NVMLReport), and ends with 0; with 3
// where there is no library, with 4 where it refuses. A program of its own because the agent is static and loads nothing.
// Types and numbers are those of nvml.h, whose functions are found by name so that nothing of NVIDIA's is needed to build.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct nvml_device *device_t;

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
struct memory_info {
    unsigned long long total, free, used;
};
struct slice_attributes {
    unsigned multiprocessors, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
    unsigned long long memory_mib;
};

enum { success = 0, name_size = 96, most_links = 18, most_devices = 64 };
// nvmlIntNvLinkDeviceType_t
enum { link_to_gpu = 0, link_to_switch = 2 };

static void *library;

// A function of the library that newer versions have under another name. NULL where neither is there.
static void *symbol(const char *name, const char *older) {
    void *found = dlsym(library, name);
    return found || !older ? found : dlsym(library, older);
}

// Calls the named function, or yields an error that the library does not have (it is too old).
// 13 is NVML_ERROR_FUNCTION_NOT_FOUND.
#define CALL(name, older, types, ...)                                          \
    __extension__({                                                            \
        void *function_ = symbol(name, older);                                 \
        function_ ? __extension__((int(*) types)function_)(__VA_ARGS__) : 13; \
    })

static void print_string(const char *name, const char *text) {
    printf("\"%s\":\"", name);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            putchar('\\');
        putchar(byte < 0x20 || byte > 0x7e ? '?' : byte);
    }
    putchar('"');
}

// As /sys/bus/pci has it.
static void address_of(const struct pci_info *pci, char address[static 24]) {
    snprintf(address, 24, "%04x:%02x:%02x.0", pci->domain, pci->bus, pci->device);
}

static void print_links(device_t device) {
    char peers[most_links][24];
    unsigned counts[most_links] = {0}, known = 0, switches = 0;
    for (unsigned link = 0; link < most_links; link++) {
        unsigned active = 0;
        if (CALL("nvmlDeviceGetNvLinkState", NULL, (device_t, unsigned, unsigned *), device, link, &active) != success || !active)
            continue;
        int type = link_to_gpu;
        if (CALL("nvmlDeviceGetNvLinkRemoteDeviceType", NULL, (device_t, unsigned, int *), device, link, &type) == success &&
            type != link_to_gpu) {
            switches += type == link_to_switch;
            continue;
        }
        struct pci_info remote = {0};
        if (CALL("nvmlDeviceGetNvLinkRemotePciInfo_v2", "nvmlDeviceGetNvLinkRemotePciInfo", (device_t, unsigned, struct pci_info *),
                 device, link, &remote) != success)
            continue;
        char address[24];
        address_of(&remote, address);
        unsigned peer = 0;
        while (peer < known && strcmp(peers[peer], address) != 0)
            peer++;
        if (peer == known)
            memcpy(peers[known++], address, sizeof address);
        counts[peer]++;
    }
    printf("\"links\":{");
    for (unsigned peer = 0; peer < known; peer++)
        printf("%s\"%s\":%u", peer ? "," : "", peers[peer], counts[peer]);
    printf("},\"switchLinks\":%u", switches);
}

static bool print_slice(device_t device, unsigned index, bool is_first) {
    device_t slice = NULL;
    if (CALL("nvmlDeviceGetMigDeviceHandleByIndex", NULL, (device_t, unsigned, device_t *), device, index, &slice) != success)
        return false;
    char uuid[name_size] = "", name[name_size] = "";
    unsigned gpu_instance = 0, compute_instance = 0;
    struct slice_attributes attributes = {0};
    if (CALL("nvmlDeviceGetUUID", NULL, (device_t, char *, unsigned), slice, uuid, name_size) != success ||
        CALL("nvmlDeviceGetGpuInstanceId", NULL, (device_t, unsigned *), slice, &gpu_instance) != success ||
        CALL("nvmlDeviceGetComputeInstanceId", NULL, (device_t, unsigned *), slice, &compute_instance) != success ||
        CALL("nvmlDeviceGetAttributes_v2", "nvmlDeviceGetAttributes", (device_t, struct slice_attributes *), slice, &attributes) !=
            success)
        return false;
    CALL("nvmlDeviceGetName", NULL, (device_t, char *, unsigned), slice, name, name_size);
    printf("%s{", is_first ? "" : ",");
    print_string("uuid", uuid);
    putchar(',');
    print_string("name", name);
    printf(",\"gpuInstance\":%u,\"computeInstance\":%u,\"gpuSlices\":%u,\"computeSlices\":%u,\"memory\":%llu}", gpu_instance,
           compute_instance, attributes.gpu_slices, attributes.compute_slices, attributes.memory_mib << 20);
    return true;
}

static void print_slices(device_t device) {
    unsigned current = 0, pending = 0, most = 0;
    bool is_enabled = CALL("nvmlDeviceGetMigMode", NULL, (device_t, unsigned *, unsigned *), device, &current, &pending) == success &&
                      current == 1;
    printf("\"isMIGEnabled\":%s,\"mig\":[", is_enabled ? "true" : "false");
    if (is_enabled)
        CALL("nvmlDeviceGetMaxMigDeviceCount", NULL, (device_t, unsigned *), device, &most);
    bool is_first = true;
    for (unsigned index = 0; index < most && index < most_devices; index++)
        is_first &= !print_slice(device, index, is_first);
    putchar(']');
}

// A GPU that fell off its bus is left out: the others are sound.
static bool print_device(unsigned index, bool is_first) {
    device_t device = NULL;
    char uuid[name_size] = "", name[name_size] = "", address[24];
    struct pci_info pci = {0};
    struct memory_info memory = {0};
    if (CALL("nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex", (unsigned, device_t *), index, &device) != success ||
        CALL("nvmlDeviceGetUUID", NULL, (device_t, char *, unsigned), device, uuid, name_size) != success ||
        CALL("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", (device_t, struct pci_info *), device, &pci) != success)
        return false;
    CALL("nvmlDeviceGetName", NULL, (device_t, char *, unsigned), device, name, name_size);
    // Refused where memory is the processor's own.
    CALL("nvmlDeviceGetMemoryInfo", NULL, (device_t, struct memory_info *), device, &memory);
    address_of(&pci, address);
    printf("%s{", is_first ? "" : ",");
    print_string("uuid", uuid);
    putchar(',');
    print_string("pciAddress", address);
    putchar(',');
    print_string("name", name);
    printf(",\"memory\":%llu,", memory.total);
    print_links(device);
    putchar(',');
    print_slices(device);
    putchar('}');
    return true;
}

int main(void) {
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "martlet-nvml: %s\n", dlerror());
        return 3;
    }
    unsigned count = 0;
    int error = CALL("nvmlInit_v2", "nvmlInit", (void), );
    if (error == success)
        error = CALL("nvmlDeviceGetCount_v2", "nvmlDeviceGetCount", (unsigned *), &count);
    if (error != success) {
        fprintf(stderr, "martlet-nvml: NVML refuses with %d\n", error);
        return 4;
    }
    char driver[name_size] = "";
    CALL("nvmlSystemGetDriverVersion", NULL, (char *, unsigned), driver, name_size);
    putchar('{');
    print_string("driverVersion", driver);
    printf(",\"devices\":[");
    bool is_first = true;
    for (unsigned index = 0; index < count && index < most_devices; index++)
        is_first &= !print_device(index, is_first);
    printf("]}\n");
    CALL("nvmlShutdown", NULL, (void), );
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 5;
}
