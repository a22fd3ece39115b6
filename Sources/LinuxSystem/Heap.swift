internal import CLinux

/// This process's heap.
public enum Heap {
    /// Gives free memory back to the kernel, malloc_trim(3).
    public static func trim() { cl_trim_heap() }
}
