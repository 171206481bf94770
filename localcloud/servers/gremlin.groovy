// A Gremlin Server with one graph, which is kept: java ... groovy.ui.GroovyMain gremlin.groovy SETTINGS DATA_DIR
//
// TinkerGraph holds its elements in memory and writes them only when it is closed in order. Here each committed
// transaction is on disk before its client is answered: an event strategy notes which elements a transaction touched,
// and at its commit, what they are now (or that they are gone) is appended to a journal and forced to disk. A start
// reads snapshot and journal, writes a new snapshot and begins an empty journal. Properties of properties are not kept:
// Neptune has none.

import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.nio.file.StandardOpenOption
import java.util.function.Consumer

import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource
import org.apache.tinkerpop.gremlin.process.traversal.step.util.event.Event

import org.apache.tinkerpop.gremlin.process.traversal.step.util.event.MutationListener
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.EventStrategy
import org.apache.tinkerpop.gremlin.process.traversal.strategy.finalization.ReferenceElementStrategy
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.LambdaRestrictionStrategy
import org.apache.tinkerpop.gremlin.server.GremlinServer
import org.apache.tinkerpop.gremlin.server.Settings
import org.apache.tinkerpop.gremlin.structure.Direction
import org.apache.tinkerpop.gremlin.structure.Edge
import org.apache.tinkerpop.gremlin.structure.Element
import org.apache.tinkerpop.gremlin.structure.Graph
import org.apache.tinkerpop.gremlin.structure.Property
import org.apache.tinkerpop.gremlin.structure.T
import org.apache.tinkerpop.gremlin.structure.Transaction
import org.apache.tinkerpop.gremlin.structure.Vertex
import org.apache.tinkerpop.gremlin.structure.VertexProperty
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONMapper
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONVersion

/** The graph's elements on disk: lines of GraphSON (types kept), later lines of an element replace earlier ones. */
class Journal {
    private static final Set EMPTY =
        [StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE] as Set
    private static final int ELEMENTS_A_TRANSACTION = 5000
    private final Graph graph
    private final Path snapshot, journal
    private final mapper = GraphSONMapper.build().version(GraphSONVersion.V3_0).create().createMapper()
    private FileChannel channel

    Journal(Graph graph, Path folder) {
        this.graph = graph
        snapshot = folder.resolve('graph.jsonl')
        journal = folder.resolve('journal.jsonl')
    }

    /** Fill the graph with what was committed, and begin an empty journal. */
    void open() {
        def elements = [v: [:], e: [:]]
        read(snapshot, elements)
        read(journal, elements)
        restore(elements)
        def fresh = snapshot.resolveSibling('graph.jsonl.new')
        FileChannel.open(fresh, EMPTY).withCloseable { file ->
            elements.each { kind, all -> all.values().collate(ELEMENTS_A_TRANSACTION).each { append(file, it) } }
            file.force(true)
        }
        // A kill between the two lines is harmless: the journal repeats what the snapshot holds.
        Files.move(fresh, snapshot, StandardCopyOption.ATOMIC_MOVE)
        channel = FileChannel.open(journal, EMPTY)
    }

    /** Append what the touched elements are now. Read and written under one lock, so the last line is the truth. */
    synchronized void write(Set vertices, Set edges) {
        def lines = []
        try {
            // Incident edges of a vertex that is gone went with it: reading the journal drops them.
            vertices.each { lines << line('v', it, graph.vertices(it)) }
            edges.each { lines << line('e', it, graph.edges(it)) }
        } finally {
            // The reading began a transaction of its own. What one read is forgotten only when it is committed:
            // after a rollback the thread would see elements as they were.
            graph.tx().commit()
        }
        append(channel, lines + [[k: 'commit']])
        channel.force(false)
    }

    private void append(FileChannel file, List lines) {
        def text = new StringBuilder()
        lines.each { text.append(mapper.writeValueAsString(it)).append('\n') }
        def bytes = java.nio.ByteBuffer.wrap(text.toString().getBytes('UTF-8'))
        while (bytes.hasRemaining()) file.write(bytes)
    }

    private static Map line(String kind, Object id, Iterator found) {
        found.hasNext() ? line(found.next()) : [k: kind, id: id, gone: true]
    }

    private static Map line(Vertex vertex) {
        [k: 'v', id: vertex.id(), label: vertex.label(),
         properties: vertex.properties().collect { [it.key(), it.value()] }]
    }

    private static Map line(Edge edge) {
        [k: 'e', id: edge.id(), label: edge.label(), out: edge.outVertex().id(), in: edge.inVertex().id(),
         properties: edge.properties().collect { [it.key(), it.value()] }]
    }

    private void read(Path file, Map elements) {
        if (!Files.exists(file)) return
        def pending = []
        boolean journaled = file == journal
        file.toFile().eachLine('UTF-8') { text, number ->
            def line
            try {
                line = mapper.readValue(text, Object)
            } catch (org.apache.tinkerpop.shaded.jackson.core.JsonProcessingException error) {
                if (!journaled) throw new IOException("${file} line ${number} cannot be read", error)
                return  // a kill in the middle of a write: that transaction was not acknowledged
            }
            if (line.k == 'commit') { pending.each { apply(it, elements) }; pending.clear() }
            else if (journaled) pending << line
            else apply(line, elements)
        }
    }

    private static void apply(Map line, Map elements) {
        if (line.gone) elements[line.k].remove(line.id) else elements[line.k][line.id] = line
    }

    private void restore(Map elements) {
        elements.e.values().removeIf { !elements.v.containsKey(it.out) || !elements.v.containsKey(it.in) }
        elements.v.values().collate(ELEMENTS_A_TRANSACTION).each { part ->
            part.each { line ->
                def vertex = graph.addVertex(T.id, line.id, T.label, line.label)
                line.properties.each { vertex.property(VertexProperty.Cardinality.list, it[0], it[1]) }
            }
            graph.tx().commit()
        }
        elements.e.values().collate(ELEMENTS_A_TRANSACTION).each { part ->
            part.each { line ->
                def from = graph.vertices(line.out).next(), to = graph.vertices(line.in).next()
                def edge = from.addEdge(line.label, to, T.id, line.id)
                line.properties.each { edge.property(it[0], it[1]) }
            }
            graph.tx().commit()
        }
    }
}

/**
 * Takes the places of deleted elements out of the graph.
 *
 * TinkerTransactionGraph 3.7.3 keeps the place of a deleted element that was ever read (a read counts as a use and a
 * commit does not end it), and refuses each later element of that id as a conflict. A transaction that still holds such
 * a place can only end in that conflict, so taking it out loses nothing.
 */
class Graveyard {
    private final Map vertices, edges
    private java.lang.reflect.Field deleted

    Graveyard(Graph graph) {
        vertices = places(graph, 'vertices')
        edges = places(graph, 'edges')
    }

    /** Look at the ids that a transaction touched; the edges of a vertex go with it and are not named. */
    void empty(Set vertexIds, Set edgeIds) {
        boolean gone = vertexIds.count { take(vertices, it) } > 0
        (gone ? new ArrayList(edges.keySet()) : edgeIds).each { take(edges, it) }
    }

    private boolean take(Map places, Object id) {
        def place = places.get(id)
        if (place == null) return true
        if (deleted == null) deleted = accessible(place.getClass(), 'isDeleted')
        deleted.getBoolean(place) && places.remove(id, place)
    }

    private static Map places(Graph graph, String name) { (Map) accessible(graph.getClass(), name).get(graph) }

    private static java.lang.reflect.Field accessible(Class type, String name) {
        def field = type.getDeclaredField(name)
        field.accessible = true
        field
    }
}

/** Collects what the transaction of this thread touches and hands it to the journal when it is committed. */
class Touched implements MutationListener, EventStrategy.EventQueue {
    private final Graph graph
    private final Journal journal
    private final Graveyard graveyard
    private final ThreadLocal<Map> open = new ThreadLocal<>()
    private final Consumer<Transaction.Status> ended = { status ->
        def touched = open.get()
        open.remove()
        if (touched == null || status != Transaction.Status.COMMIT) return
        journal.write(touched.v, touched.e)
        graveyard.empty(touched.v, touched.e)
    } as Consumer<Transaction.Status>

    Touched(Graph graph, Journal journal) {
        this.graph = graph
        this.journal = journal
        graveyard = new Graveyard(graph)
    }

    void setListeners(List<MutationListener> listeners) {}  // this one alone

    void addEvent(Event event) { event.fireEvent([this].iterator()) }

    private Map transaction() {
        if (open.get() == null) {
            open.set([v: [] as LinkedHashSet, e: [] as LinkedHashSet])
            // A transaction of TinkerGraph forgets its listeners when it is closed; one twice would write twice.
            graph.tx().removeTransactionListener(ended)
            graph.tx().addTransactionListener(ended)
        }
        open.get()
    }

    private void vertex(Element element) { transaction().v << element.id() }
    private void edge(Element element) { transaction().e << element.id() }

    void vertexAdded(Vertex vertex) { this.vertex(vertex) }
    void vertexRemoved(Vertex vertex) { this.vertex(vertex) }
    void vertexPropertyChanged(Vertex vertex, VertexProperty old, Object value, Object... more) { this.vertex(vertex) }
    void vertexPropertyRemoved(VertexProperty property) { this.vertex(property.element()) }
    void edgeAdded(Edge edge) { this.edge(edge) }
    void edgeRemoved(Edge edge) { this.edge(edge) }
    void edgePropertyChanged(Edge edge, Property old, Object value) { this.edge(edge) }
    void edgePropertyRemoved(Edge edge, Property property) { this.edge(edge) }
    void vertexPropertyPropertyChanged(VertexProperty element, Property old, Object value) { vertex(element.element()) }
    void vertexPropertyPropertyRemoved(VertexProperty element, Property property) { vertex(element.element()) }
}

def server = new GremlinServer(Settings.read(args[0]))
def graphs = server.serverGremlinExecutor.graphManager
def graph = graphs.getGraph('graph')
def journal = new Journal(graph, Path.of(args[1]))
journal.open()
def touched = new Touched(graph, journal)
def events = EventStrategy.build().addListener(touched).eventQueue(touched).create()
graphs.putTraversalSource('g', new GraphTraversalSource(graph).withStrategies(
    events, ReferenceElementStrategy.instance(),
    LambdaRestrictionStrategy.instance()))  // "Gremlin standards compliance in Amazon Neptune": no lambda steps
Runtime.runtime.addShutdownHook(new Thread({ server.stop().join() }))
server.start().join()
Thread.currentThread().join()
