/**
 * Bodies that kubectl v1.35 has posted (recorded from `kubectl create configmap cm --from-literal=a=1 …` against a capturing
 * server).
 */
export const kubectlBodies: readonly { path: string; base64: string }[] = [
  {
    path: '/api/v1/namespaces/default/configmaps',
    base64: 'azhzAAoPCgJ2MRIJQ29uZmlnTWFwEicKEgoCY20SABoAIgAqADIAOABCABIGCgFhEgExEgkKAWISBHp3ZWkaACIA',
  },
  {
    path: '/api/v1/namespaces/default/secrets',
    base64: 'azhzAAoMCgJ2MRIGU2VjcmV0EikKEQoBcxIAGgAiACoAMgA4AEIAEhIKCHBhc3N3b3JkEgZnZWhlaW0aABoAIgA=',
  },
  {
    path: '/api/v1/namespaces/default/serviceaccounts/default/token',
    base64: 'azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIgChAKABIAGgAiACoAMgA4AEIAEgYKAXgg2AQaBAoAEgAaACIA',
  },
  {
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    base64:
      'azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIAOABCABIeChwKB2RlZmF1bHQSA2dldBoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA=',
  },
  {
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    base64: 'azhzAAotChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESEVNlbGZTdWJqZWN0UmV2aWV3EhoKEAoAEgAaACIAKgAyADgAQgASBgoECgASABoAIgA=',
  },
  {
    path: '/apis/apps/v1/namespaces/default/deployments',
    base64:
      'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAMSDAoKCgNhcHASA3dlYhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=',
  },
  {
    path: '/api/v1/namespaces/default/services',
    base64:
      'azhzAAoNCgJ2MRIHU2VydmljZRJqCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkMKHQoHODAtODA4MBIDVENQGFAiBwgAEJA/GgAogOsBEgoKA2FwcBIDd2ViGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=',
  },
  {
    path: '/apis/batch/v1/namespaces/default/jobs',
    base64:
      'azhzAAoPCghiYXRjaC92MRIDSm9iEoIBChEKAWoSABoAIgAqADIAOABCABJjMmEKEAoAEgAaACIAKgAyADgAQgASTRIqCgFqEgdidXN5Ym94GgVzbGVlcBoBMSoAQgBqAHIAgAEAiAEAkAEAogEAGgVOZXZlcjIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAGgggACgAMAA6ABoAIgA=',
  },
  {
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
    base64:
      'azhzAAorChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgtSb2xlQmluZGluZxKCAQoSCgJyYhIAGgAiACoAMgA4AEIAEiYKBFVzZXISGXJiYWMuYXV0aG9yaXphdGlvbi5rOHMuaW8aAXUiABIeCg5TZXJ2aWNlQWNjb3VudBIAGgF4IgdkZWZhdWx0GiQKGXJiYWMuYXV0aG9yaXphdGlvbi5rOHMuaW8SBFJvbGUaAXIaACIA',
  },
  {
    path: '/api/v1/namespaces/default/resourcequotas',
    base64: 'azhzAAoTCgJ2MRINUmVzb3VyY2VRdW90YRI0ChEKAXESABoAIgAqADIAOABCABIdCgoKA2NwdRIDCgExCg8KBm1lbW9yeRIFCgMxR2kaABoAIgA=',
  },
  {
    path: '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
    base64:
      'azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxJDChEKAWkSABoAIgAqADIAOABCABIqGigKBWEuY29tEh8KHQobCgIveBINIgsKA3N2YxIECgAQUBoGUHJlZml4GgIKABoAIgA=',
  },
  {
    path: '/apis/batch/v1/namespaces/default/cronjobs',
    base64:
      'azhzAAoTCghiYXRjaC92MRIHQ3JvbkpvYhKSAQoRCgFjEgAaACIAKgAyADgAQgASewoJKiAqICogKiAqGgAqbAoRCgFjEgAaACIAKgAyADgAQgASVzJVChAKABIAGgAiACoAMgA4AEIAEkESGgoBYxIBYioAQgBqAHIAgAEAiAEAkAEAogEAGglPbkZhaWx1cmUyAEIASgBSAFgAYABoAIIBAIoBAJoBAMIBABoAGgAiAA==',
  },
  {
    path: '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
    base64:
      'azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSNgoRCgFwEgAaACIAKgAyADgAQgASFQoJCAEQABoDNTAlEggKBgoBYRIBYhoKCAAYACAAKAAwABoAIgA=',
  },
  { path: '/api/v1/namespaces', base64: 'azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhkKEQoBbhIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==' },
  {
    path: '/api/v1/namespaces/default/serviceaccounts',
    base64: 'azhzAAoUCgJ2MRIOU2VydmljZUFjY291bnQSFAoSCgJzYRIAGgAiACoAMgA4AEIAGgAiAA==',
  },
  {
    path: '/apis/scheduling.k8s.io/v1/priorityclasses',
    base64:
      'azhzAAolChRzY2hlZHVsaW5nLms4cy5pby92MRINUHJpb3JpdHlDbGFzcxIwChIKAnBjEgAaACIAKgAyADgAQgAQBxgAIgAqFFByZWVtcHRMb3dlclByaW9yaXR5GgAiAA==',
  },
];
