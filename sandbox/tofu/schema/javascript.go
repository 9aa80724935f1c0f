package main

import (
	"bufio"
	"io"
	"regexp"
	"strings"
)

// A class of the package's JavaScript: a resource, a data source, the provider, or a nested struct. The text is generated
// by one generator, so each fact is on a line of its own, always in the same form.
type class struct {
	// What it extends, such as TerraformResource.
	parent string
	// The resource or data source type, if it is one.
	resourceType string
	// Its reference has an index of 0: at most one entry.
	isSingleEntry bool
	// Its reference has neither an index nor a list around it: a single block, not a list.
	isSingleBlock bool
	members       []*member
	// Its block is being derived.
	isOpen bool
}

// One attribute or block of a class.
type member struct {
	name                                    string
	computed, optional, required, writeOnly bool
	// The class of a nested value, and whether it is in a set.
	class   string
	fromSet bool
	// What the getter returns, such as this.getStringAttribute('etag').
	getter string
}

// How the generator writes an argument into HCL.
type argument struct {
	// list, set, map, struct or simple
	collection string
	// string, number, boolean, stringList, or the name of a class
	storage string
}

// What was read from one folder of the package.
type folder struct {
	classes map[string]*class
	// By the scope that writes them: a class, or the function of a struct. Then by name.
	arguments       map[string]map[string]*argument
	providerVersion string
}

var (
	classLine     = regexp.MustCompile(`^class (\w+) extends \w+\.(\w+) \{`)
	functionLine  = regexp.MustCompile(`^function (\w+)ToHclTerraform\(`)
	memberLine    = regexp.MustCompile(`^    // (\S+) - computed: (\w+), optional: (\w+), required: (\w+)$`)
	nestedLine    = regexp.MustCompile(`^    _\w+ = new ([\w.]+)\(this, "\w+"(?:, (true|false))?\);`)
	resourceLine  = regexp.MustCompile(`^    static tfResourceType = "(\w+)"`)
	versionLine   = regexp.MustCompile(`^ +providerVersion: '([^']+)'`)
	writeOnlyLine = regexp.MustCompile(`^ +(\w+): this\.markWriteOnlyAttribute\(`)
)

func newFolder() *folder {
	return &folder{classes: map[string]*class{}, arguments: map[string]map[string]*argument{}}
}

// The longest line that there may be.
const lineLimit = 16 << 20

// Reads one file of the folder.
func (f *folder) read(text io.Reader) error {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, lineLimit)
	var in *class
	var scope, name string
	for lines.Scan() {
		line := lines.Text()
		// The simple comparisons are there because most lines are of no interest, and expressions are slow.
		if found := match(line, "class ", classLine); found != nil {
			in, scope = &class{parent: found[2]}, found[1]
			f.classes[scope] = in
		} else if found := match(line, "function ", functionLine); found != nil {
			in, scope = nil, found[1]
		} else if strings.HasSuffix(line, ": {") {
			name = strings.TrimSpace(strings.TrimSuffix(line, ": {"))
		} else if key, value, ok := keyOf(line); ok {
			f.argument(scope, name).set(key, value)
		} else if in != nil {
			in.read(line)
		}
		if found := match(line, "                providerVersion: ", versionLine); found != nil {
			f.providerVersion = found[1]
		}
	}
	return lines.Err()
}

// Reads a line inside the class.
func (c *class) read(line string) {
	var last *member
	if len(c.members) > 0 {
		last = c.members[len(c.members)-1]
	}
	if found := match(line, "    // ", memberLine); found != nil {
		c.members = append(c.members, &member{
			name: found[1], computed: found[2] == "true", optional: found[3] == "true", required: found[4] == "true",
		})
	} else if found := match(line, "    static ", resourceLine); found != nil {
		c.resourceType = found[1]
	} else if found := match(line, "    _", nestedLine); found != nil && last != nil {
		last.class, last.fromSet = found[1], found[2] == "true"
	} else if getter, ok := strings.CutPrefix(line, "        return "); ok && last != nil && last.getter == "" {
		last.getter = strings.TrimSuffix(getter, ";")
	} else if name, ok := strings.CutPrefix(line, "        super(terraformResource, terraformAttribute, false"); ok {
		c.isSingleEntry, c.isSingleBlock = name == ", 0);", name == ");"
	} else if found := match(line, "            ", writeOnlyLine); found != nil {
		for _, member := range c.members {
			member.writeOnly = member.writeOnly || member.name == found[1]
		}
	}
}

func match(line, prefix string, expression *regexp.Regexp) []string {
	if !strings.HasPrefix(line, prefix) {
		return nil
	}
	return expression.FindStringSubmatch(line)
}

// Reads a line such as `type: "list",`.
func keyOf(line string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(strings.TrimSpace(line), ": \"")
	return key, strings.TrimSuffix(value, "\","), ok && (key == "type" || key == "storageClassType")
}

func (f *folder) argument(scope, name string) *argument {
	if f.arguments[scope] == nil {
		f.arguments[scope] = map[string]*argument{}
	}
	if f.arguments[scope][name] == nil {
		f.arguments[scope][name] = &argument{}
	}
	return f.arguments[scope][name]
}

func (a *argument) set(key, value string) {
	if key == "type" {
		a.collection = value
	} else {
		a.storage = value
	}
}
