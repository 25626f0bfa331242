package streams

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/millrace-io/millrace/kinesis"
)

// tagsMax is how many tags a resource has at most, and tagsPage how many are listed unless
// told otherwise.
const (
	tagsMax  = 50
	tagsPage = 50
)

// mergeTags puts more tags to those of a resource, which AWS calls that in its text.
func mergeTags(tags *map[string]string, more map[string]string, resource string) error {
	merged := maps.Clone(*tags)
	if merged == nil {
		merged = make(map[string]string, len(more))
	}
	for key, value := range more {
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return invalidArgument("Failed to add tags to %s because keys that begin with aws: are reserved: %s", resource, key)
		}
		merged[key] = value
	}
	if len(merged) > tagsMax {
		kind, _, _ := strings.Cut(resource, " ")
		return invalidArgument("Failed to add tags to %s because a given %s cannot have more than %d tags associated with it.", resource, kind, tagsMax)
	}
	*tags = merged
	return nil
}

// called is how AWS's texts call a resource.
func (a *API) called(kind, name string) string {
	return kind + " " + name + " under account " + a.options.Account
}

func removeTags(tags *map[string]string, keys []string) {
	left := maps.Clone(*tags)
	for _, key := range keys {
		delete(left, key)
	}
	*tags = left
}

// shownTags returns the tags sorted by key, after the given one.
func shownTags(tags map[string]string, after string) []Tag {
	shown := []Tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if key > after {
			value := tags[key]
			shown = append(shown, Tag{Key: key, Value: &value})
		}
	}
	return shown
}

func (a *API) addTagsToStream(ctx context.Context, c *kinesis.Call, in *AddTagsToStreamInput) (*Empty, error) {
	t, err := a.usableTarget(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, t, func(s *settings) error { return mergeTags(&s.Tags, in.Tags, a.called("stream", t.Name())) })
}

func (a *API) removeTagsFromStream(ctx context.Context, c *kinesis.Call, in *RemoveTagsFromStreamInput) (*Empty, error) {
	t, err := a.usableTarget(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, a.change(ctx, t, func(s *settings) error {
		removeTags(&s.Tags, in.TagKeys)
		return nil
	})
}

func (a *API) listTagsForStream(ctx context.Context, c *kinesis.Call, in *ListTagsForStreamInput) (*ListTagsForStreamOutput, error) {
	t, err := a.target(ctx, c, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	tags, limit := shownTags(t.settings.Tags, in.ExclusiveStartTagKey), limitOf(in.Limit, tagsPage)
	more := len(tags) > limit
	if more {
		tags = tags[:limit]
	}
	return &ListTagsForStreamOutput{Tags: tags, HasMoreTags: more}, nil
}

func (a *API) tagResource(ctx context.Context, c *kinesis.Call, in *TagResourceInput) (*Empty, error) {
	return nil, a.changeTags(ctx, c, in.ResourceARN, func(tags *map[string]string, of string) error { return mergeTags(tags, in.Tags, of) })
}

func (a *API) untagResource(ctx context.Context, c *kinesis.Call, in *UntagResourceInput) (*Empty, error) {
	return nil, a.changeTags(ctx, c, in.ResourceARN, func(tags *map[string]string, _ string) error {
		removeTags(tags, in.TagKeys)
		return nil
	})
}

// changeTags changes the tags of a stream, a consumer or a channel.
func (a *API) changeTags(ctx context.Context, c *kinesis.Call, arn string, do func(tags *map[string]string, of string) error) error {
	found, err := a.usableResource(ctx, c, arn)
	switch {
	case err != nil:
		return err
	case found.channel != nil:
		return a.changeChannel(found.channel.Name, func(ch *channel) error { return do(&ch.Tags, a.called("channel", ch.Name)) })
	case found.consumer != nil:
		return a.changeConsumer(found.target, found.consumer.Name, func(k *consumer) error { return do(&k.Tags, a.called("consumer", k.Name)) })
	default:
		return a.change(ctx, found.target, func(s *settings) error { return do(&s.Tags, a.called("stream", found.Name())) })
	}
}

func (a *API) listTagsForResource(ctx context.Context, c *kinesis.Call, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	found, err := a.usableResource(ctx, c, in.ResourceARN)
	switch {
	case err != nil:
		return nil, err
	case found.channel != nil:
		return &ListTagsForResourceOutput{Tags: shownTags(found.channel.Tags, "")}, nil
	case found.consumer != nil:
		return &ListTagsForResourceOutput{Tags: shownTags(found.consumer.Tags, "")}, nil
	default:
		return &ListTagsForResourceOutput{Tags: shownTags(found.settings.Tags, "")}, nil
	}
}
