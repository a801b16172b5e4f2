/**
 * Values as upstream's error texts print them: its internal types go by Go's names, in their order, with every field.
 *
 * Source: upstream `pkg/apis/core/types.go`; apimachinery `pkg/util/validation/field/errors.go` (JSON of the bad value).
 */

/** Wire name → Go's name, what stands for absence, and the shape of what is inside. */
type Shape = Readonly<Record<string, readonly [goName: string, absent?: unknown, inner?: Shape]>>;

const profile: Shape = { type: ['Type', ''], localhostProfile: ['LocalhostProfile'] };
const dataSource: Shape = { apiGroup: ['APIGroup'], kind: ['Kind', ''], name: ['Name', ''] };
const shapes = {
  persistentVolumeClaimSpec: {
    accessModes: ['AccessModes'],
    selector: ['Selector'],
    resources: ['Resources', { Limits: null, Requests: null }, { limits: ['Limits'], requests: ['Requests'] }],
    volumeName: ['VolumeName', ''],
    storageClassName: ['StorageClassName'],
    volumeMode: ['VolumeMode'],
    dataSource: ['DataSource', null, dataSource],
    dataSourceRef: ['DataSourceRef', null, { ...dataSource, namespace: ['Namespace'] }],
    volumeAttributesClassName: ['VolumeAttributesClassName'],
  },
  resourceClaim: {
    name: ['Name', ''],
    resourceClaimName: ['ResourceClaimName'],
    resourceClaimTemplateName: ['ResourceClaimTemplateName'],
  },
  seccompProfile: profile,
  securityContext: {
    capabilities: ['Capabilities', null, { add: ['Add'], drop: ['Drop'] }],
    privileged: ['Privileged'],
    seLinuxOptions: [
      'SELinuxOptions',
      null,
      { user: ['User', ''], role: ['Role', ''], type: ['Type', ''], level: ['Level', ''] },
    ],
    windowsOptions: ['WindowsOptions'],
    runAsUser: ['RunAsUser'],
    runAsGroup: ['RunAsGroup'],
    runAsNonRoot: ['RunAsNonRoot'],
    readOnlyRootFilesystem: ['ReadOnlyRootFilesystem'],
    allowPrivilegeEscalation: ['AllowPrivilegeEscalation'],
    procMount: ['ProcMount'],
    seccompProfile: ['SeccompProfile', null, profile],
    appArmorProfile: ['AppArmorProfile', null, profile],
  },
} as const satisfies Record<string, Shape>;

/**
 * The value with the names and zero values of Go's struct, for error texts that print it (`%#v`). @param type one of the types
 * that such errors print
 */
export function goShape(value: object, type: keyof typeof shapes): Record<string, unknown> {
  return shaped(value as Record<string, unknown>, shapes[type]);
}

function shaped(value: Record<string, unknown>, shape: Shape): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(shape).map(([name, [goName, absent = null, inner]]) => {
      const field = value[name];
      if (field === undefined) return [goName, absent];
      return [goName, inner === undefined ? field : shaped(field as Record<string, unknown>, inner)];
    }),
  );
}
