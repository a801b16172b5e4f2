/**
 * Routes from this machine to the pods of every worker, because the API server connects to pods for `pods/proxy` and
 * `services/proxy`. The kernel deletes them together with the bridge when the lab is removed.
 */
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { type PodRoute, planRoutes, podCidrsOf, readRoutes, routeArgv } from '#agent/network/routes.ts';
import { allHosts, type Lab } from './config.ts';
import { adminClient } from './control-plane.ts';
import { UsageError } from './system.ts';

/**
 * Adds and removes routes as needed. Idempotent. @throws UsageError when another program on this machine uses the pods' network
 */
export async function routeToPods(lab: Lab, exec: Exec): Promise<void> {
  const { client, close } = adminClient(lab);
  try {
    const { items } = await client.resource('nodes').list();
    // Routes of other labs have the same protocol number, but other gateways.
    const own = (await readRoutes(exec, 'IPv4')).filter(({ gateway }) => allHosts(lab).some(({ ip }) => ip === gateway));
    const wanted = allHosts(lab).flatMap(({ name, ip }) => {
      const node = items.find(({ metadata }) => metadata.name === name);
      return node === undefined ? [] : podCidrsOf(node).map((destination) => ({ destination, gateway: ip }));
    });
    const { add, replace, remove } = planRoutes(wanted, own);
    for (const route of remove) await exec(routeArgv('del', route));
    for (const route of replace) await exec(routeArgv('replace', route));
    for (const route of add) await addRoute(lab, route, exec);
  } finally {
    close();
  }
}

async function addRoute(lab: Lab, route: PodRoute, exec: Exec): Promise<void> {
  try {
    await exec(routeArgv('add', route));
  } catch (error) {
    if (!(error instanceof ExecError) || !/File exists/.test(error.message)) throw error;
    throw new UsageError(
      `--cluster-cidr ${lab.clusterCidr} is in use on this machine (it has a route to ${route.destination} already): choose another network.`,
      { cause: error },
    );
  }
}
