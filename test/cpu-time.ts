/** Measures costs in tests. CPU time is used, because elapsed time depends on the load of the machine. */

/** CPU time that this thread has used, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
