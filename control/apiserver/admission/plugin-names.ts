/**
 * `--enable-admission-plugins` and `--disable-admission-plugins`: the names of all plugins of upstream, and which of them are on by
 * default.
 *
 * Source: kubernetes `pkg/kubeapiserver/options/plugins.go` (AllOrderedPlugins, DefaultOffAdmissionPlugins); apiserver
 * `pkg/server/options/admission.go` (Validate, enabledPluginNames).
 */

/** All plugins of upstream, in the order in which they are called. */
export const allPluginNames = [
  'AlwaysAdmit',
  'NamespaceAutoProvision',
  'NamespaceLifecycle',
  'NamespaceExists',
  'LimitPodHardAntiAffinityTopology',
  'LimitRanger',
  'ServiceAccount',
  'NodeRestriction',
  'TaintNodesByCondition',
  'AlwaysPullImages',
  'ImagePolicyWebhook',
  'PodSecurity',
  'PodNodeSelector',
  'Priority',
  'DefaultTolerationSeconds',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'DefaultStorageClass',
  'StorageObjectInUseProtection',
  'PodGroupProtection',
  'OwnerReferencesPermissionEnforcement',
  'PersistentVolumeClaimResize',
  'RuntimeClass',
  'CertificateApproval',
  'CertificateSigning',
  'ClusterTrustBundleAttest',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DenyServiceExternalIPs',
  'PodTopologyLabels',
  'PodGroupWorkloadExists',
  'NodeDeclaredFeatureValidator',
  'JobValidation',
  'PodResizeValidator',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
  'ResourceQuota',
  'AlwaysDeny',
] as const;

/** Plugins that are off by default. Unlike upstream, NodeRestriction is on: kubeadm enables it in every cluster. */
const offByDefault = new Set<string>([
  'AlwaysAdmit',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'LimitPodHardAntiAffinityTopology',
  'AlwaysPullImages',
  'ImagePolicyWebhook',
  'PodNodeSelector',
  'PodTolerationRestriction',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'OwnerReferencesPermissionEnforcement',
  'DenyServiceExternalIPs',
  'AlwaysDeny',
]);

/** The values of the two flags. */
export interface PluginChoice {
  enable: readonly string[];
  disable: readonly string[];
}

/** The problems of the flags, with upstream's messages; empty: they are valid. */
export function pluginChoiceProblems({ enable, disable }: PluginChoice): string[] {
  const known = new Set<string>(allPluginNames);
  const unknown = (flag: string, names: readonly string[]): string[] =>
    names.filter((name) => !known.has(name)).map((name) => `${flag} plugin ${JSON.stringify(name)} is unknown`);
  const both = [...new Set(enable)].filter((name) => disable.includes(name)).sort();
  return [
    ...unknown('enable-admission-plugins', enable),
    ...unknown('disable-admission-plugins', disable),
    ...(both.length === 0 ? [] : [`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`]),
  ];
}

/** Whether the plugin is called. */
export function isPluginEnabled(name: string, { enable, disable }: PluginChoice): boolean {
  return enable.includes(name) || !(offByDefault.has(name) || disable.includes(name));
}
