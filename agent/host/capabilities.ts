/** Reads which capabilities the kernel gives to this process. Source: capabilities(7). */
import { readFileSync } from 'node:fs';

const capabilityBits = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_SYS_RESOURCE: 24 } as const;

/** Whether the capability is in the effective set of this process. @throws Error when /proc cannot be read */
export function hasCapability(name: keyof typeof capabilityBits): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) >> BigInt(capabilityBits[name])) % 2n === 1n;
}
