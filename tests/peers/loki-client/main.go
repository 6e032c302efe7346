// Sends the lines of files as a configuration of Promtail's says, by the client that Promtail's authors took out of it for
// the programs of others. Of the configuration it knows `clients`, and the labels and paths of `static_configs`.
package main

import (
	"bufio"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	kitlog "github.com/go-kit/log"
	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v2"
)

type config struct {
	Clients       []loki.Config `yaml:"clients"`
	ScrapeConfigs []struct {
		JobName       string `yaml:"job_name"`
		StaticConfigs []struct {
			Labels model.LabelSet `yaml:"labels"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var read config
	check(yaml.Unmarshal(text, &read))
	for _, settings := range read.Clients {
		client, err := loki.NewWithLogger(settings, kitlog.NewLogfmtLogger(os.Stderr))
		check(err)
		for _, job := range read.ScrapeConfigs {
			for _, static := range job.StaticConfigs {
				sendAll(client, static.Labels)
			}
		}
		// Waits until everything is sent.
		client.Stop()
	}
}

// Sends every line of the files that `__path__` names; the other labels are its stream's, with the file's name.
func sendAll(client *loki.Client, labels model.LabelSet) {
	paths, err := filepath.Glob(string(labels["__path__"]))
	check(err)
	for _, path := range paths {
		stream := labels.Clone()
		delete(stream, "__path__")
		stream["filename"] = model.LabelValue(path)
		file, err := os.Open(path)
		check(err)
		check(lines(file, func(line string) error { return client.Handle(stream, time.Now(), line) }))
		check(file.Close())
	}
}

func lines(from io.Reader, each func(string) error) error {
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		if err := each(scanner.Text()); err != nil {
			return err
		}
	}
	return scanner.Err()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
