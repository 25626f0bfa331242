package auth

// CachedKeysMax bounds the cache of signing keys.
const CachedKeysMax = cachedKeysMax

// CachedKeys is how many signing keys are cached.
func CachedKeys(v *Verifier) int {
	v.keys.mu.RLock()
	defer v.keys.mu.RUnlock()
	return len(v.keys.keys)
}
