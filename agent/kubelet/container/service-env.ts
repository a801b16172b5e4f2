/**
 * Environment variables that name the Services of a pod's namespace, as Docker links once did. Pure.
 *
 * Source: kubernetes.io "Service", environment variables; upstream `pkg/kubelet/envvars`.
 */
import type { Service } from '#api/types.generated.ts';

const variableName = (text: string): string => text.toUpperCase().replaceAll('-', '_');

function variablesOf(service: Service): [string, string][] {
  const ip = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (ip === '' || ip === 'None' || first === undefined) return [];
  const prefix = variableName(service.metadata.name);
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const variables: [string, string][] = [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, `${first.port}`],
  ];
  for (const { name, port } of ports)
    if (name !== undefined && name !== '') variables.push([`${prefix}_SERVICE_PORT_${variableName(name)}`, `${port}`]);
  for (const [index, { port, protocol = 'TCP' }] of ports.entries()) {
    const url = `${protocol.toLowerCase()}://${host}:${port}`;
    const portPrefix = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    if (index === 0) variables.push([`${prefix}_PORT`, url]);
    variables.push(
      [portPrefix, url],
      [`${portPrefix}_PROTO`, protocol.toLowerCase()],
      [`${portPrefix}_PORT`, `${port}`],
      [`${portPrefix}_ADDR`, ip],
    );
  }
  return variables;
}

/**
 * The variables of a pod. The API server's own Service is always named, those of the pod's namespace only with
 * `enableServiceLinks`. Pure.
 */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const apiServer = services.filter(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes');
  const own = enableServiceLinks ? services.filter(({ metadata }) => metadata.namespace === namespace) : [];
  // A Service of the pod's namespace replaces the API server's Service of the same name.
  return new Map([...apiServer, ...own].flatMap(variablesOf));
}
