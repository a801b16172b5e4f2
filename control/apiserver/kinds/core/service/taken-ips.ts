/**
 * Notices when a client deletes or changes the IPAddress of a cluster IP that a Service still has.
 *
 * Source: upstream `pkg/registry/core/service/ipallocator/controller/repairip.go`, which watches IPAddresses.
 */
import type { IPAddress, Service } from '#api/types.generated.ts';
import type { CacheFeed, CacheFollower } from '../../../cache/cache-feed.ts';
import { refersToService } from './ip-addresses.ts';

const services = '/registry/services/specs';

/** For `CacheFeed.follow`. @param lost called for each such address */
export function takenIpFollower(feed: CacheFeed, lost: () => void): [storagePrefix: string, follower: CacheFollower] {
  const isHeld = (address: IPAddress): boolean => {
    if (!refersToService(address)) return false;
    const { namespace = '', name } = address.spec.parentRef;
    const service = feed.cache(services).get(`${services}/${namespace}/${name}`)?.object as Service | undefined;
    return service?.spec.clusterIPs?.includes(address.metadata.name) === true;
  };
  return [
    '/registry/ipaddresses',
    {
      // Nothing to do: at the start, everything is repaired anyway.
      replaced: () => undefined,
      changed({ previous }) {
        if (previous !== undefined && isHeld(previous.object as IPAddress)) lost();
      },
    },
  ];
}
