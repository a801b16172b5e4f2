/** `--nodeport-addresses`: which of the node's addresses take node ports. Pure. */
import { containsIp, type IpFamily, parseCidr, parseIp } from '#api/ip.ts';

/**
 * @param ranges of both families; others are ignored
 * @param local the node's addresses
 * @returns sorted; undefined where every local address of the family takes node ports: no range, or one of everything
 */
export function nodePortAddresses(
  ranges: readonly string[],
  family: IpFamily,
  local: readonly string[],
): readonly string[] | undefined {
  const ofFamily = ranges.flatMap((text) => parseCidr(text) ?? []).filter((range) => range.family === family);
  if (ofFamily.length === 0 || ofFamily.some(({ prefixLength }) => prefixLength === 0)) return undefined;
  return [...new Set(local)]
    .filter((address) => {
      const ip = parseIp(address);
      return ip !== undefined && ofFamily.some((range) => containsIp(range, ip));
    })
    .sort();
}
