/**
 * What every {@link Backend} must do, tried on the real kernel in network namespaces. Called from the test of each backend. Needs root,
 * iproute2, conntrack and nft.
 */
import { packetContract } from './backend-packets.contract.ts';
import type { BackendUnderTest } from './backend-under-test.testing.ts';
import { upkeepContract } from './backend-upkeep.contract.ts';

export function backendContract(under: BackendUnderTest): void {
  upkeepContract(under);
  packetContract(under);
}
